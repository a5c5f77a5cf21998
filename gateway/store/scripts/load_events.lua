-- PREFIX, EVENTS KEPT, then for each ID, ROLLOUT, KIND, EVENT: as another store had them, the oldest first.

local refusal = refuse_format()
if refusal then
  return refusal
end
for index = 3, #ARGV, 4 do
  local id = tonumber(ARGV[index])
  write_event(id, ARGV[index + 1], ARGV[index + 2], ARGV[index + 3])
  forget_events(id - tonumber(ARGV[2]))
end
return {'ok'}
