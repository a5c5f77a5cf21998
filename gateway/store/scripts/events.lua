-- PREFIX, AFTER, LIMIT, ROLLOUT. Ids and events, one after the other; an empty rollout is all of them.

local after, limit, rollout = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local found = {}
local refusal = refuse_format()
if refusal then
  return refusal
end
if rollout == '' then
  for _, entry in ipairs(redis.call('XRANGE', events, whole(after + 1), '+', 'COUNT', limit)) do
    found[#found + 1] = string.match(entry[1], '^%d+')
    found[#found + 1] = entry[2][6]
  end
else
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', events_of(rollout), '(' .. whole(after), '+inf', 'LIMIT', 0, limit)) do
    found[#found + 1] = id
    found[#found + 1] = read_event(id)
  end
end
return {'ok', found}
