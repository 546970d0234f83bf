"""
The client room: what stands at the other end of the wire.

What applications use: L{aerostack.client.realtime} is the client, with its
L{channels<aerostack.client.channel>}; L{aerostack.client.sdk} is what servers on Twisted use,
L{aerostack.client.blocking} what all others do; L{aerostack.client.errors} is what goes wrong.

From the ground up: L{aerostack.client.endings}, L{aerostack.client.head},
L{aerostack.client.outgoing}, L{aerostack.client.subscription}, L{aerostack.client.publications},
L{aerostack.client.presence}, L{aerostack.client.pacer} and L{aerostack.client.calls} decide, and
do nothing; L{aerostack.client.line} keeps a connection, and L{aerostack.client.conversation}
says on it what is wanted; L{aerostack.client.connection} is a WebSocket, by Autobahn,
L{aerostack.client.http} HTTP, by treq.  L{aerostack.client.address} finds out where a daemon is
from its configuration.
"""
