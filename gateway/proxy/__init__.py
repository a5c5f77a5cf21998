"""The data plane: what happens to a request between its first byte and its last.

One `plane.DataPlane` a worker. A `client.ClientConnection` reads request heads; each begins an `exchange.Exchange`, the
life of one request; that takes a `backend.BackendConnection` from a `pool.Pool` and relays the answer. Everything is
driven by the transports' callbacks: no task, no future and no stream object per request.
"""
