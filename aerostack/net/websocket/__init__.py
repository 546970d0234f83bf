"""
WebSockets: the opening, the connections, and what is written to them.

Begin with L{aerostack.net.websocket.connections}, which makes a connection of a request.
L{aerostack.net.websocket.handshake} decides what the request asks for, and
L{aerostack.net.websocket.gate} whether it is let in.  L{aerostack.net.websocket.connection} is one
connection, L{aerostack.net.websocket.writer} writes to its socket, and
L{aerostack.net.websocket.compression} accepts and reads compression.
"""
