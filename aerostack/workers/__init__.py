"""
One machine's processes: the hub, its workers, and what goes between them.

The hub is the process that was started: it accepts connections and decides for all.  A worker is a
process of the hub that serves clients.  Begin with L{aerostack.workers.channel}, which carries
messages between the two.  L{aerostack.workers.frames} writes them as bytes, and
L{aerostack.workers.pipe} writes the bytes to a socket.  L{aerostack.workers.distribution} gives
accepted connections to the workers: L{aerostack.workers.accepting} accepts them,
L{aerostack.workers.balance} chooses the worker, and L{aerostack.workers.descriptors} passes them.
"""
