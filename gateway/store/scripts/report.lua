-- PREFIX, REPLICA, PRESENCE, REPORT, LEASE, KNOWN FENCE, PRESENCE KEPT, REPORTS KEPT, REPORTS AT MOST.
-- One beat of a replica. Times are milliseconds; an empty report is none, a lease of 0 is given up.
-- The leader, its fence, the number of moves, the newest event's id, and how many rollouts there are.

local replica, presence, report, lease_ms, known = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local presence_ms, reports_ms, reports_kept = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]

local refusal = refuse_format()
if refusal then
  return refusal
end

local now = read_clock()
redis.call('HSET', replicas, replica, presence)
redis.call('ZADD', replicas_seen, now, replica)
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', replicas_seen, '-inf', whole(now - presence_ms))) do
  forget_replica(silent)
end
redis.call('PEXPIRE', replicas, presence_ms)
redis.call('PEXPIRE', replicas_seen, presence_ms)

if report ~= '' then
  append(reports, 'report', report, reports_kept, reports_ms, now)
end

-- A fence that this store has forgotten holds all the same: who had an older one leads no more.
local seen = math.max(read_about('fence'), known)
if known > read_about('fence') then
  redis.call('HSET', about, 'fence', whole(known))
end
local leader, fence = read_lease()
if lease_ms == 0 then
  if leader == replica then
    redis.call('DEL', lease)
    leader = ''
  end
elseif leader == replica and fence >= seen then
  redis.call('PEXPIRE', lease, lease_ms)
elseif leader == replica or leader == '' then
  leader, fence = replica, seen + 1
  redis.call('SET', lease, whole(fence) .. ' ' .. replica, 'PX', lease_ms)
  redis.call('HSET', about, 'fence', whole(fence))
end
if leader == '' then
  fence = read_about('fence')
end
return {'ok', {leader, fence, read_about('moves'), read_about('event'), redis.call('HLEN', versions)}}
