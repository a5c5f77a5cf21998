-- PREFIX. The id of the last event of each rollout, and of the whole gateway, each with the event.

local refusal = refuse_format()
if refusal then
  return refusal
end
local found = {}
for _, id in ipairs(redis.call('HVALS', last)) do
  local event = read_event(id)
  if event then
    found[#found + 1] = id
    found[#found + 1] = event
  end
end
return {'ok', found}
