"""
One machine's processes: the hub, its workers, and what goes between them.

The hub is the process that was started: it accepts connections and decides for all.  A worker is a
process of the hub that serves clients.  Begin with L{aerostack.workers.frames}, which writes the
messages that go between the two.
"""
