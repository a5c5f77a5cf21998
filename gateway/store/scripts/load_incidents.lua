-- PREFIX, INCIDENTS KEPT, then for each ID, ROLLOUT, INCIDENT: as another store had them.

local refusal = refuse_format()
if refusal then
  return refusal
end
for index = 3, #ARGV, 3 do
  if is_other_incident(ARGV[index], ARGV[index + 2]) then
    return {'incident'}
  end
  write_incident(tonumber(ARGV[2]), ARGV[index], ARGV[index + 1], ARGV[index + 2])
end
return {'ok'}
