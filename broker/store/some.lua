-- Some entities as they stand, together with the head, in one step.
--
-- KEYS  1 records, 2 changed, 3 head
-- ARGV  entities
--
-- Answers {head, {stored, …}}; an entity that is not there is an empty text.
local head = redis.call('HMGET', KEYS[3], 'lineage', 'epoch', 'version', 'pruned', 'earlier')
local some = {}
for i = 1, #ARGV do
    some[i] = redis.call('HGET', KEYS[1], ARGV[i]) or ''
end
return { head, some }
