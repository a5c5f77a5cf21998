-- PREFIX, KNOWN, EVENTS KEPT, INCIDENTS KEPT, FENCE, ROLLOUT, VERSION, PROGRESS, KIND, EVENT, INCIDENT ID, INCIDENT.
-- The event's id; an empty fence is nobody's, an empty incident id is none.

local known, kept, incidents_kept = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local fence, rollout, version, document = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8]
local kind, event, incident, incident_document = ARGV[9], ARGV[10], ARGV[11], ARGV[12]

local refusal = refuse(fence)
if refusal then
  return refusal
end
local stored, told = version_of(rollout)
if version <= stored then
  -- The answer to the first attempt was lost on its way.
  if version == stored and told > 0 and redis.call('HGET', progress, rollout) == document and read_event(told) == event then
    return {'ok', told}
  end
  return {'conflict', stored, rollout}
end
if incident ~= '' then
  if is_other_incident(incident, incident_document) then
    return {'incident'}
  end
  write_incident(incidents_kept, incident, rollout, incident_document)
end
local id = add_event(known, kept, rollout, kind, event)
write_progress(rollout, version, id, document)
count_move()
announce(rollout, version)
return {'ok', id}
