"""
The client room: what stands at the other end of the wire.

L{aerostack.client.connection} keeps a WebSocket to a daemon,
L{aerostack.client.address} finds out where that daemon is from its configuration.
"""
