-- PREFIX. What each replica said of itself, one after the other, and for how many milliseconds it has been silent.

local refusal = refuse_format()
if refusal then
  return refusal
end
local now = read_clock()
local seen = redis.call('ZRANGE', replicas_seen, 0, -1, 'WITHSCORES')
local silent = {}
for index = 1, #seen, 2 do
  silent[#silent + 1] = seen[index]
  silent[#silent + 1] = whole(now - tonumber(seen[index + 1]))
end
return {'ok', {redis.call('HGETALL', replicas), silent}}
