-- PREFIX, REPLICA. It is forgotten, and its lease is free.

local refusal = refuse_format()
if refusal then
  return refusal
end
forget_replica(ARGV[2])
if read_lease() == ARGV[2] then
  redis.call('DEL', lease)
end
return {'ok'}
