-- Leases: take, renew, end, and the look at all of them that ends the overdue ones.
--
-- KEYS  1 the leases: id → <renewed at> <ended at, 0 = alive> <length>; 'of:' suffix → the id that `keep` took for it;
--         'seen' → <lineage> <since> <at>
-- ARGV  1 'take', 2 suffix, 3 length (ms)        answers the id: the time in hex, a dash, the suffix
--       1 'renew', 2 id                          answers 1, or 0: it has ended
--       1 'end', 2 id                            answers 1
--       1 'keep', 2 suffix, 3 length, 4 most     renews the one lease with this suffix, or takes it: answers its id; 0
--                                                where it has ended, -1 where there are too many leases already
--       1 'look', 2 gap, 3 kept after the end (ms)  answers {now, the server's lineage, {id, renewed at, ended at, …}}
--
-- A lease ends here and nowhere else, once, by this clock. While the server is away leases stand still: after a restart
-- (another lineage), and after a gap in which nobody looked, every lease has its whole length again.
local leases = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number)
    return string.format('%.0f', number)
end

local function read(stored)
    local renewed, ended, length = string.match(stored or '', '^(%d+) (%d+) (%d+)$')
    return tonumber(renewed), tonumber(ended), tonumber(length)
end

local function write(id, renewed, ended, length)
    redis.call('HSET', leases, id, text(renewed) .. ' ' .. text(ended) .. ' ' .. text(length))
end

local function take(suffix, length)
    local at = now
    while redis.call('HEXISTS', leases, string.format('%x', at) .. '-' .. suffix) == 1 do
        at = at + 1
    end
    local id = string.format('%x', at) .. '-' .. suffix
    write(id, now, 0, length)
    return id
end

local function renew(id)
    local renewed, ended, length = read(redis.call('HGET', leases, id))
    if not renewed or ended > 0 then
        return 0
    end
    write(id, now, 0, length)
    return 1
end

local function finish(id)
    local renewed, ended, length = read(redis.call('HGET', leases, id))
    if renewed and ended == 0 then
        write(id, renewed, now, length)
    end
    return 1
end

local function keep(suffix, length, most)
    local of = 'of:' .. suffix
    local id = redis.call('HGET', leases, of)
    if id and redis.call('HEXISTS', leases, id) == 1 then
        return renew(id) == 1 and id or 0
    end
    if redis.call('HLEN', leases) >= most then
        return -1
    end
    id = take(suffix, length)
    redis.call('HSET', leases, of, id)
    return id
end

local function standing_since(lineage, gap)
    local seen, since, at = string.match(redis.call('HGET', leases, 'seen') or '', '^(%w+) (%d+) (%d+)$')
    since, at = tonumber(since), tonumber(at)
    if seen ~= lineage or now - at > gap then
        since, at = now, 0
    end
    if now - at > gap / 2 then
        redis.call('HSET', leases, 'seen', lineage .. ' ' .. text(since) .. ' ' .. text(now))
    end
    return since
end

local function look(gap, kept)
    local lineage = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
    local since = standing_since(lineage, gap)
    local all, answer = redis.call('HGETALL', leases), {}
    for i = 1, #all, 2 do
        local renewed, ended, length = read(all[i + 1])
        if renewed and ended == 0 and now > math.max(renewed, since) + length then
            ended = now
            write(all[i], renewed, ended, length)
        end
        if renewed and ended > 0 and now > ended + kept then
            redis.call('HDEL', leases, all[i])
        elseif renewed then
            answer[#answer + 1] = all[i]
            answer[#answer + 1] = text(renewed)
            answer[#answer + 1] = text(ended)
        elseif string.sub(all[i], 1, 3) == 'of:' and redis.call('HEXISTS', leases, all[i + 1]) == 0 then
            redis.call('HDEL', leases, all[i])
        end
    end
    return { text(now), lineage, answer }
end

if ARGV[1] == 'take' then
    return take(ARGV[2], tonumber(ARGV[3]))
elseif ARGV[1] == 'renew' then
    return renew(ARGV[2])
elseif ARGV[1] == 'end' then
    return finish(ARGV[2])
elseif ARGV[1] == 'keep' then
    return keep(ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]))
end
return look(tonumber(ARGV[2]), tonumber(ARGV[3]))
