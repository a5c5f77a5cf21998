-- PREFIX, FENCE, SUM, VERDICTS, SUMS AT MOST, SUMS KEPT, VERDICTS KEPT: the latter two in milliseconds.
-- An empty sum is none.

local refusal = refuse(ARGV[2])
if refusal then
  return refusal
end
if ARGV[3] ~= '' then
  append(sums, 'sum', ARGV[3], ARGV[5], tonumber(ARGV[6]), read_clock())
end
redis.call('SET', verdicts, ARGV[4], 'PX', ARGV[7])
return {'ok'}
