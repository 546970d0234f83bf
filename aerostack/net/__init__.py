"""
The net room: sockets, and what is spoken on them.

L{aerostack.net.websocket.connection} is the only place that knows Autobahn,
L{aerostack.net.http.resources} serves everything that is plain HTTP,
L{aerostack.net.websocket.handshake} decides whether a request may become a WebSocket;
L{aerostack.net.endpoints} and L{aerostack.net.tls} listen.
"""
