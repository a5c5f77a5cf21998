-- PREFIX, KIND. The id of the last event of the kind and the event; nothing before the first.

local refusal = refuse_format()
if refusal then
  return refusal
end
local id = redis.call('HGET', newest, ARGV[2])
local event = id and read_event(id)
return {'ok', event and {id, event} or {}}
