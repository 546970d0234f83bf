"""
One machine's processes: the hub, its workers, and what goes between them.

The hub is the process that was started: it accepts connections and decides for all.  A worker is a
process of the hub that serves clients.  Begin with L{aerostack.workers.channel}, which carries
messages between the two.  L{aerostack.workers.frames} writes them as bytes, and
L{aerostack.workers.pipe} writes the bytes to a socket.
"""
