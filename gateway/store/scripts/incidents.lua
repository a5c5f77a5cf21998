-- PREFIX, BEFORE, LIMIT, ROLLOUT. Incidents, the newest first; an empty BEFORE is from the newest on.

local before, limit, rollout = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local found = {}
local refusal = refuse_format()
if refusal then
  return refusal
end
for _, id in ipairs(redis.call('ZREVRANGEBYLEX', incident_ids, before == '' and '+' or '(' .. before, '-')) do
  if #found >= limit then
    break
  end
  if rollout == '' or redis.call('HGET', incident_rollouts, id) == rollout then
    found[#found + 1] = redis.call('HGET', incidents, id)
  end
end
return {'ok', found}
