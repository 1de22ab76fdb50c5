-- One page of what changed after a version, in the order of change, together with the head as it stands.
--
-- KEYS  1 records, 2 changed, 3 head
-- ARGV  1 after this version, 2 entities and 3 bytes at which a page ends
--
-- Answers {head, {entity, stored, …}, up to this version, '1' if more follows}. A page never ends inside of a version,
-- so that the next can begin behind it; what moves on meanwhile is met again at the end of the index.
local entities_max, bytes_max = tonumber(ARGV[2]), tonumber(ARGV[3])
local head = redis.call('HMGET', KEYS[3], 'lineage', 'epoch', 'version', 'pruned', 'earlier')
local index = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, entities_max + 500)

local page, bytes, to, more = {}, 0, ARGV[1], '0'
for i = 1, #index, 2 do
    local version = string.format('%.0f', tonumber(index[i + 1]))
    if version ~= to and (#page >= 2 * entities_max or bytes >= bytes_max) then
        more = '1'
        break
    end
    local stored = redis.call('HGET', KEYS[1], index[i]) or ''
    page[#page + 1] = index[i]
    page[#page + 1] = stored
    bytes, to = bytes + #stored, version
end
return { head, page, to, more }
