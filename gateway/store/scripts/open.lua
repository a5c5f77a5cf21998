-- PREFIX. The newest event's id.

return refuse_format() or {'ok', tonumber(redis.call('HGET', about, 'event') or 0)}
