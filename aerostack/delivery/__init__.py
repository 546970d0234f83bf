"""
Frames on their way to sockets, bounded in bytes and in time.

Begin with L{aerostack.delivery.fanout}, which takes one publication to all subscribers of its
topic, some of them in each turn of the reactor.  L{aerostack.delivery.outbound} is the sending
half of one session: it bounds what waits for a slow client.  L{aerostack.delivery.paced} is the
part of it that sends what a client missed, and who is present, when it is the client's turn:
L{aerostack.delivery.portions} has the turns of the topics, and L{aerostack.delivery.catchup} holds
back what is live meanwhile.
"""
