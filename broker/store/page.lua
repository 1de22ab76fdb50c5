-- One page of what changed after a version, in the order of change, together with the head as it stands.
--
-- KEYS  1 records, 2 changed, 3 head
-- ARGV  1 after this version, 2 entities and 3 bytes at which a page ends
--
-- Answers {head, {entity, stored, …}, up to this version, '1' if more follows}. A page never ends inside of a version,
-- so that the next can begin behind it; what moves on meanwhile is met again at the end of the index.
local ENTITIES_OF_A_VERSION, AHEAD = 500, 64
local entities_max, bytes_max = tonumber(ARGV[2]), tonumber(ARGV[3])

local function read_index(count)
    return redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, count)
end

local head = redis.call('HMGET', KEYS[3], 'lineage', 'epoch', 'version', 'pruned', 'earlier')
local index = read_index(entities_max + 1)
if #index > 2 * entities_max and index[#index] == index[#index - 2] then
    index = read_index(entities_max + ENTITIES_OF_A_VERSION)
end

-- Some are read ahead: a call for each would cost more than what is read in vain at the end of a page.
local records = {}
local function record(n)
    if not records[n] then
        local names = {}
        for k = n, math.min(n + AHEAD - 1, #index / 2) do
            names[#names + 1] = index[2 * k - 1]
        end
        for k, stored in ipairs(redis.call('HMGET', KEYS[1], unpack(names))) do
            records[n + k - 1] = stored or ''
        end
    end
    return records[n]
end

local page, bytes, score, more = {}, 0, nil, '0'
for n = 1, #index / 2 do
    if index[2 * n] ~= score and (n > entities_max or bytes >= bytes_max) then
        more = '1'
        break
    end
    local stored = record(n)
    page[2 * n - 1], page[2 * n] = index[2 * n - 1], stored
    bytes, score = bytes + #stored, index[2 * n]
end
return { head, page, score and string.format('%.0f', tonumber(score)) or ARGV[1], more }
