-- PREFIX, FENCE, then for each ROLLOUT, VERSION, PROGRESS. What is older than what is stored is left out.
-- An empty fence is nobody's.

local refusal = refuse(ARGV[2])
if refusal then
  return refusal
end
local is_changed = false
for index = 3, #ARGV, 3 do
  local rollout, version = ARGV[index], tonumber(ARGV[index + 1])
  local document = ARGV[index + 2]
  local stored, told = version_of(rollout)
  if version > stored then
    write_progress(rollout, version, 0, document)
    announce(rollout, version)
    is_changed = true
  elseif version == stored and redis.call('HGET', progress, rollout) ~= document then
    write_progress(rollout, version, told, document)
    is_changed = true
  end
end
if is_changed then
  count_move()
end
return {'ok'}
