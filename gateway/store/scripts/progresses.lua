-- PREFIX. Rollouts and how far they are, one after the other.

return refuse_format() or {'ok', redis.call('HGETALL', progress)}
