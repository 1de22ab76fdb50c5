-- Gives a company a new epoch where its head was written under another history than the server's own, or where it has no
-- head yet. Compare-and-set on the lineage and the epoch that were seen, so that of many who saw it one does it.
--
-- KEYS  1 head
-- ARGV  1 lineage seen, 2 epoch seen, 3 new epoch, 4 earlier epochs to remember, 5 '1': even if the lineage is the
--       server's (the head alone was put back to an earlier time)
--
-- Answers {the server's lineage, the head's epoch, its version}. The new version is above whatever a history that was
-- lost can have reached: it counts from the clock, 1024 versions a millisecond since the start of 2026.
local START_OF_2026, VERSIONS_A_MS = 1767225600000, 1024

local lineage = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local head = redis.call('HMGET', KEYS[1], 'lineage', 'epoch', 'version', 'earlier')
local epoch, version = head[2] or '', head[3] or '0'
if (head[1] or '') ~= ARGV[1] or epoch ~= ARGV[2] or (ARGV[1] == lineage and ARGV[5] ~= '1') then
    return { lineage, epoch, version }
end

local earlier = {}
for old in string.gmatch(head[4] or '', '[^ ]+') do
    earlier[#earlier + 1] = old
end
if epoch ~= '' then
    earlier[#earlier + 1] = epoch .. ':' .. version
end
local kept = table.concat(earlier, ' ', math.max(1, #earlier - tonumber(ARGV[4]) + 1))

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local v = string.format('%.0f', math.max(tonumber(version) + 1024, (now - START_OF_2026) * VERSIONS_A_MS))
redis.call('HSET', KEYS[1], 'lineage', lineage, 'epoch', ARGV[3], 'version', v, 'earlier', kept)
return { lineage, ARGV[3], v }
