-- Takes out entities that still stand at the revision named, and raises `pruned` in the same step.
--
-- KEYS  1 records, 2 changed, 3 head
-- ARGV  entity, revision, entity, revision, …
--
-- Answers the number taken out. Those that moved on stay.
local pruned, count = tonumber(redis.call('HGET', KEYS[3], 'pruned') or '0'), 0
for i = 1, #ARGV, 2 do
    local stored = redis.call('HGET', KEYS[1], ARGV[i])
    if stored and string.match(stored, '^%d+') == ARGV[i + 1] then
        redis.call('HDEL', KEYS[1], ARGV[i])
        redis.call('ZREM', KEYS[2], ARGV[i])
        pruned = math.max(pruned, tonumber(ARGV[i + 1]))
        count = count + 1
    end
end
if count > 0 then
    redis.call('HSET', KEYS[3], 'pruned', string.format('%.0f', pruned))
end
return count
