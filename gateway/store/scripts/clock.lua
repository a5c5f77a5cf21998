-- PREFIX. Milliseconds, by the server's clock.

return refuse_format() or {'ok', read_clock()}
