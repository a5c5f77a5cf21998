-- PREFIX, FENCE, SECOND, VERDICTS, SECONDS AT MOST, SECONDS KEPT, VERDICTS KEPT: the latter two in milliseconds.

local refusal = refuse(ARGV[2])
if refusal then
  return refusal
end
append(seconds, 'second', ARGV[3], ARGV[5], tonumber(ARGV[6]), read_clock())
redis.call('SET', verdicts, ARGV[4], 'PX', ARGV[7])
return {'ok'}
