-- PREFIX, FENCE, then for each ROLLOUT, VERSION, PROGRESS. Those that were written.
-- What is older than what is stored is left out. Of the same version only a leader knows that it is the same with more
-- time; an empty fence is nobody's, and somebody else's move may have taken the number.

local refusal = refuse(ARGV[2])
if refusal then
  return refusal
end
local written = {}
for index = 3, #ARGV, 3 do
  local rollout, version = ARGV[index], tonumber(ARGV[index + 1])
  local document = ARGV[index + 2]
  local stored, told = version_of(rollout)
  if version > stored then
    write_progress(rollout, version, 0, document)
    announce(rollout, version)
    written[#written + 1] = rollout
  elseif version == stored and ARGV[2] ~= '' and redis.call('HGET', progress, rollout) ~= document then
    write_progress(rollout, version, told, document)
    written[#written + 1] = rollout
  end
end
if #written > 0 then
  count_move()
end
return {'ok', written}
