-- PREFIX, KNOWN, EVENTS KEPT, ROLLOUT, KIND, EVENT. The event's id; an empty rollout is none.

return refuse_format() or {'ok', add_event(tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6])}
