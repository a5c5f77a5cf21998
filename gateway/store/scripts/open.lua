-- PREFIX. The newest event's id.

return refuse_format() or {'ok', read_about('event')}
