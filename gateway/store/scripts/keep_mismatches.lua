-- PREFIX, SECONDS KEPT, how many are GONE, their places, then for each PLACE, when it was SEEN, RECORD.
-- By the clock of those who write: what was seen so long before the last that was seen is forgotten.

local seconds, gone = tonumber(ARGV[2]), tonumber(ARGV[3])

local function forget(place)
  redis.call('HDEL', mismatches, place)
  redis.call('ZREM', mismatches_seen, place)
end

local refusal = refuse_format()
if refusal then
  return refusal
end
for index = 4, 3 + gone do
  forget(ARGV[index])
end
for index = 4 + gone, #ARGV, 3 do
  redis.call('HSET', mismatches, ARGV[index], ARGV[index + 2])
  redis.call('ZADD', mismatches_seen, ARGV[index + 1], ARGV[index])
end
local latest = tonumber(redis.call('ZREVRANGE', mismatches_seen, 0, 0, 'WITHSCORES')[2] or 0)
for _, place in ipairs(redis.call('ZRANGEBYSCORE', mismatches_seen, '-inf', '(' .. (latest - seconds))) do
  forget(place)
end
redis.call('EXPIRE', mismatches, seconds)
redis.call('EXPIRE', mismatches_seen, seconds)
return {'ok'}
