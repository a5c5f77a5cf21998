-- PREFIX, ID. The incident, or nothing.

return refuse_format() or {'ok', redis.call('HGET', incidents, ARGV[2])}
