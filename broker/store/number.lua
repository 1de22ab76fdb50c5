-- One entry of the index over all companies: a number and who has it.
--
-- KEYS  1 the number
-- ARGV  1 'take' or 'give', 2 owner
--
-- Answers to 'take' 'new', 'own' (had it already) or 'other'; to 'give' 1.
local owner = redis.call('GET', KEYS[1])
if ARGV[1] == 'give' then
    if owner == ARGV[2] then
        redis.call('DEL', KEYS[1])
    end
    return 1
end
if not owner then
    redis.call('SET', KEYS[1], ARGV[2])
    return 'new'
end
return owner == ARGV[2] and 'own' or 'other'
