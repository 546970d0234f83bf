"""
Sockets, and what is spoken on them.

Begin with L{aerostack.net.endpoints}, which listens, and then with L{aerostack.net.http.server}:
every connection begins as HTTP, and some become WebSockets in L{aerostack.net.websocket}.
L{aerostack.net.tls} has the certificates, and L{aerostack.net.proxied} reads what a proxy says of
a client.
"""
