-- PREFIX. Everything but the format, and how far the ids of events and leases had come: neither is used twice.

local refusal = refuse_format()
if refusal then
  return refusal
end
for _, rollout in ipairs(redis.call('HKEYS', versions)) do
  redis.call('DEL', events_of(rollout))
end
for _, entry in ipairs(redis.call('XRANGE', events, '-', '+')) do
  redis.call('DEL', events_of(entry[2][2]))
end
for index = 2, #KEYS do
  redis.call('DEL', KEYS[index])
end
count_move()
return {'ok'}
