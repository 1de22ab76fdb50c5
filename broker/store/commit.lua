-- Stores all of these writes under one new version of the company, or none of them.
--
-- KEYS  1 records, 2 changed, 3 head; then two for each log: its order, its entries
-- ARGV  1 lineage, 2 not after (ms), 3 channel, 4 doorbell bytes at most, 5 number of writes, 6 number of kept entries;
--       for each write: entity, action (c check, w write, t tombstone, r remove), expected revision, not before (ms),
--       bytes; for each kept entry: which log (0, 1, …), id (empty: the whole log goes), at (ms), bytes
--
-- Answers {'ok', version, epoch} | {'moved', which, stored} | {'lineage', epoch, lineage} | {'early', now} |
-- {'late', now}. A record is stored as <revision>r<bytes>, a tombstone as <revision>t<ms>. A commit that writes nothing
-- makes no version. Revisions are compared as texts: Lua would print the large ones in another form.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[2]) then
    return { 'late', string.format('%.0f', now) }
end

local writes, kept = tonumber(ARGV[5]), tonumber(ARGV[6])
local changes = 0
for i = 1, writes do
    if ARGV[5 * i + 3] ~= 'c' then
        changes = changes + 1
    end
end

local head = redis.call('HMGET', KEYS[3], 'lineage', 'epoch', 'version')
local lineage, epoch, version = head[1] or '', head[2] or '', tonumber(head[3] or '0')
local exists = epoch ~= ''
if lineage ~= ARGV[1] and (exists or changes + kept > 0) then
    return { 'lineage', epoch, lineage }
end

local early = false
for i = 1, writes do
    local at = 5 * i + 2
    local stored = redis.call('HGET', KEYS[1], ARGV[at])
    local revision = stored and string.match(stored, '^%d+') or '0'
    if revision ~= ARGV[at + 2] then
        return { 'moved', i - 1, stored or '' }
    end
    early = early or now < tonumber(ARGV[at + 3])
end
if early then
    return { 'early', string.format('%.0f', now) }
end

for i = 1, kept do
    local at = 6 + 5 * writes + 4 * (i - 1)
    local log = 4 + 2 * tonumber(ARGV[at + 1])
    if ARGV[at + 2] == '' then
        redis.call('UNLINK', KEYS[log], KEYS[log + 1])
    elseif redis.call('HSETNX', KEYS[log + 1], ARGV[at + 2], ARGV[at + 4]) == 1 then
        redis.call('ZADD', KEYS[log], ARGV[at + 3], ARGV[at + 2])
    end
end
if changes == 0 then
    return { 'ok', string.format('%.0f', version), epoch }
end

local v = string.format('%.0f', version + 1)
local records, places, removed = {}, {}, {}
local bell, length = {}, 0
for i = 1, writes do
    local at = 5 * i + 2
    local entity, action, bytes = ARGV[at], ARGV[at + 1], nil
    if action == 'w' then
        bytes = ARGV[at + 4]
        records[#records + 1] = entity
        records[#records + 1] = v .. 'r' .. bytes
    elseif action == 't' then
        records[#records + 1] = entity
        records[#records + 1] = v .. 't' .. string.format('%.0f', now)
    elseif action == 'r' then
        removed[#removed + 1] = entity
    end
    if action == 'w' or action == 't' then
        places[#places + 1] = v
        places[#places + 1] = entity
    end
    if action ~= 'c' then
        local piece = #entity .. ' ' .. (bytes and #bytes or '-') .. '\n' .. entity .. (bytes or '')
        bell[#bell + 1] = piece
        length = length + #piece
    end
end
if #records > 0 then
    redis.call('HSET', KEYS[1], unpack(records))
    redis.call('ZADD', KEYS[2], unpack(places))
end
if #removed > 0 then
    redis.call('HDEL', KEYS[1], unpack(removed))
    redis.call('ZREM', KEYS[2], unpack(removed))
    redis.call('HSET', KEYS[3], 'version', v, 'pruned', v)
else
    redis.call('HSET', KEYS[3], 'version', v)
end

-- <epoch> <version> <entities, or -: they are too many to be told>, then <length> <length or -: gone>, entity, bytes
local first = epoch .. ' ' .. v .. ' '
if #first + 8 + length <= tonumber(ARGV[4]) then
    redis.call('PUBLISH', ARGV[3], first .. #bell .. '\n' .. table.concat(bell))
else
    redis.call('PUBLISH', ARGV[3], first .. '-\n')
end
return { 'ok', v, epoch }
