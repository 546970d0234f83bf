"""
Connections over server-sent events, for clients whose network lets no WebSocket pass.

L{aerostack.net.sse.connection} is such a connection: one answer that goes on, with the daemon's
frames.  The client's frames come in requests of their own, which L{aerostack.net.sse.uplink} brings
to the connection.  L{aerostack.net.sse.resources} has both paths.
"""
