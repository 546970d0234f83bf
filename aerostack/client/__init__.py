"""
The client: what connects to the daemon from outside.

Applications use L{aerostack.client.realtime}, which is the client, and its
L{channels<aerostack.client.channel>}.  Servers on Twisted use L{aerostack.client.sdk}; all other
servers use L{aerostack.client.blocking}.  Programs on asyncio use L{aerostack.client.aio}.  Errors
are in L{aerostack.client.errors}.

The parts, from the ground up:

  - L{aerostack.client.closing}, L{aerostack.client.frames}, L{aerostack.client.outgoing},
    L{aerostack.client.subscription}, L{aerostack.client.outbox}, L{aerostack.client.presence},
    L{aerostack.client.tracking}, L{aerostack.client.answers}, L{aerostack.client.pacing},
    L{aerostack.client.patience} and L{aerostack.client.requests} decide, and do no I/O;
  - L{aerostack.client.transport} is one WebSocket, by Autobahn, L{aerostack.client.http} is
    HTTP, by treq, and L{aerostack.client.eventstream} makes by HTTP what a WebSocket is;
  - L{aerostack.client.calls} and L{aerostack.client.streams} have the calls that the SDKs share;
  - L{aerostack.client.connection} keeps one WebSocket open: it opens another one when one is lost;
  - L{aerostack.client.session} sends over the connection what the application wants,
    L{aerostack.client.topics} gives it the frames of each L{aerostack.client.topic}, and
    L{aerostack.client.sending} decides when they go out;
  - L{aerostack.client.address} finds the daemon by its configuration, and
    L{aerostack.client.extra} says what to install.
"""
