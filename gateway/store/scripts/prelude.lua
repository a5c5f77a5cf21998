-- Before every script: the keys, and what more than one script does.
--
-- All keys have one hash tag, so they are in one slot of a cluster. Those that belong to a single rollout are named
-- here and not by the caller: only the event that falls out of the log tells whose it was.

local FORMAT = 1
-- So many events may have been told that nobody who writes has heard of yet: a second's are far fewer.
local UNHEARD = 100

local about, progress, versions, events, newest = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local incidents, incident_ids, incident_rollouts = KEYS[6], KEYS[7], KEYS[8]
local mismatches, mismatches_seen, last = KEYS[9], KEYS[10], KEYS[11]
local replicas, replicas_seen, lease, reports = KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local sums, verdicts = KEYS[16], KEYS[17]
local prefix = ARGV[1]

local function whole(number)
  return string.format('%.0f', number)
end

local function read_about(name)
  return tonumber(redis.call('HGET', about, name) or 0)
end

-- Milliseconds, by the only clock that all replicas share.
local function read_clock()
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
end

-- A store that a newer version has written is left alone.
local function refuse_format()
  local format = tonumber(redis.call('HGET', about, 'format') or FORMAT)
  if format > FORMAT then
    return {'format', format}
  end
end

-- Whoever holds an older lease than one that was seen here has been succeeded. An empty fence is nobody's.
local function refuse(fence)
  local refusal = refuse_format()
  if refusal then
    return refusal
  end
  if fence ~= '' then
    local seen = read_about('fence')
    if tonumber(fence) < seen then
      return {'fenced', seen}
    end
    redis.call('HSET', about, 'fence', fence)
  end
  redis.call('HSET', about, 'format', FORMAT)
end

local function events_of(rollout)
  return prefix .. ':events:' .. rollout
end

-- A rollout's version here, -1 for none, and the event that told of it.
local function version_of(rollout)
  local found = redis.call('HGET', versions, rollout)
  if not found then
    return -1, 0
  end
  local version, told = string.match(found, '^(%d+) (%d+)$')
  return tonumber(version), tonumber(told)
end

local function write_progress(rollout, version, told, document)
  redis.call('HSET', progress, rollout, document)
  redis.call('HSET', versions, rollout, whole(version) .. ' ' .. whole(told))
end

-- So whoever saw another number before knows that there is something to read.
local function count_move()
  redis.call('HINCRBY', about, 'moves', 1)
end

-- For those who listen. Who may not publish has written all the same, and the others find it by the number of moves.
local function announce(rollout, version)
  redis.pcall('PUBLISH', prefix .. ':moves', rollout .. ' ' .. whole(version))
end

local function write_event(id, rollout, kind, event)
  redis.call('XADD', events, whole(id) .. '-0', 'rollout', rollout, 'kind', kind, 'event', event)
  local greatest = read_about('event')
  redis.call('HSET', about, 'event', whole(math.max(greatest, id)))
  redis.call('HSET', newest, kind, whole(id))
  redis.call('HSET', last, rollout, whole(id))
  if rollout ~= '' then
    redis.call('ZADD', events_of(rollout), whole(id), whole(id))
  end
end

local function forget_events(upto)
  if upto < 1 then
    return
  end
  for _, entry in ipairs(redis.call('XRANGE', events, '-', whole(upto), 'COUNT', 100)) do
    redis.call('XDEL', events, entry[1])
    if entry[2][2] ~= '' then
      redis.call('ZREM', events_of(entry[2][2]), string.match(entry[1], '^%d+'))
    end
  end
end

-- Ids grow by one. A store that has forgotten what the caller knows of has perhaps forgotten more, which others know of.
local function add_event(known, kept, rollout, kind, event)
  local greatest = read_about('event')
  local id = (known > greatest and known + UNHEARD or greatest) + 1
  write_event(id, rollout, kind, event)
  forget_events(id - kept)
  return id
end

local function read_event(id)
  local entry = redis.call('XRANGE', events, id, id)[1]
  return entry and entry[2][6]
end

-- One that is there already word by word was written by an attempt that seemed to fail; any other is never replaced.
local function is_other_incident(id, document)
  local found = redis.call('HGET', incidents, id)
  return found and found ~= document
end

local function write_incident(kept, id, rollout, document)
  redis.call('HSET', incidents, id, document)
  redis.call('HSET', incident_rollouts, id, rollout)
  redis.call('ZADD', incident_ids, 0, id)
  local surplus = redis.call('ZCARD', incident_ids) - kept
  if surplus > 0 then
    for _, each in ipairs(redis.call('ZRANGE', incident_ids, 0, surplus - 1)) do
      redis.call('HDEL', incidents, each)
      redis.call('HDEL', incident_rollouts, each)
      redis.call('ZREM', incident_ids, each)
    end
  end
end

-- Who leads, and under which fence; an empty name is nobody.
local function read_lease()
  local found = redis.call('GET', lease)
  if not found then
    return '', 0
  end
  local fence, replica = string.match(found, '^(%d+) (.*)$')
  return replica, tonumber(fence)
end

local function forget_replica(replica)
  redis.call('HDEL', replicas, replica)
  redis.call('ZREM', replicas_seen, replica)
end

-- To a stream, of which only so many entries stay, and those that are not older.
local function append(stream, field, value, kept, kept_ms, now)
  redis.call('XADD', stream, 'MAXLEN', kept, '*', field, value)
  redis.call('XTRIM', stream, 'MINID', whole(now - kept_ms))
  redis.call('PEXPIRE', stream, kept_ms)
end
