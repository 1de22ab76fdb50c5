-- Takes some of the oldest entries of a log out.
--
-- KEYS  1 order, 2 entries
-- ARGV  1 before (ms), 2 how many at most
--
-- Answers how many it took.
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
if #old > 0 then
    redis.call('ZREM', KEYS[1], unpack(old))
    redis.call('HDEL', KEYS[2], unpack(old))
end
return #old
