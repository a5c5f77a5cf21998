-- PREFIX, FENCE, then for each ROLLOUT, VERSION, PROGRESS. What is older than what is stored is left out.

local refusal = refuse(tonumber(ARGV[2]))
if refusal then
  return refusal
end
for index = 3, #ARGV, 3 do
  local rollout, version = ARGV[index], tonumber(ARGV[index + 1])
  local stored, told = version_of(rollout)
  if version >= stored then
    write_progress(rollout, version, version == stored and told or 0, ARGV[index + 2])
  end
end
return {'ok'}
