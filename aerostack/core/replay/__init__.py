"""
Everything that a client needs to come back: logs, positions and publications.

Begin with L{aerostack.core.replay.log}, the newest part of one topic's log: its method C{resume}
decides what a client that comes back gets.  L{aerostack.core.replay.positions} has the places in a
log, and L{aerostack.core.replay.publications} has the contents.
L{aerostack.core.replay.mirror} is a log that follows another process's log.
L{aerostack.core.replay.idempotency} recognizes publications that a client sends again.
"""
