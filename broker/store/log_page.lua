-- One page of a log, the newest first.
--
-- KEYS  1 order, 2 entries
-- ARGV  1 from (ms), 2 before (ms), 3 entries at which the page ends
--
-- Answers {id, at, bytes, …, '1' if older ones of that span follow}. A page never ends between two entries of one time.
local limit = tonumber(ARGV[3])

local function read(offset, count)
    return redis.call('ZREVRANGEBYSCORE', KEYS[1], '(' .. ARGV[2], ARGV[1], 'WITHSCORES', 'LIMIT', offset, count)
end

local index = read(0, limit + 1)
local count, more = math.min(#index / 2, limit), '0'
if #index / 2 > limit then
    more = '1'
    local behind = index[2 * limit + 2]
    while count > 0 and index[2 * count] == behind do
        count = count - 1
    end
    if count == 0 then -- all are of one time
        index = read(0, 2 * limit + 1)
        while index[2 * count + 2] == behind and count < 2 * limit do
            count = count + 1
        end
        more = index[2 * count + 2] and '1' or '0'
    end
end

local ids, page = {}, {}
for n = 1, count do
    ids[n] = index[2 * n - 1]
end
local entries = count > 0 and redis.call('HMGET', KEYS[2], unpack(ids)) or {}
for n = 1, count do
    page[3 * n - 2] = ids[n]
    page[3 * n - 1] = string.format('%.0f', tonumber(index[2 * n]))
    page[3 * n] = entries[n] or ''
end
page[#page + 1] = more
return page
