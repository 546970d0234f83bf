"""
The net room: sockets, and what is spoken on them.

L{aerostack.net.websocket} is the only place that knows Autobahn,
L{aerostack.net.http} serves everything that is plain HTTP, L{aerostack.net.opening}
decides whether a request may become a WebSocket, L{aerostack.net.endpoints} and
L{aerostack.net.tls} listen, L{aerostack.net.systemd} and L{aerostack.net.signals}
speak with whoever runs us.
"""
