"""
What clients that come back may ask for again: logs, positions and publications.

Begin with L{aerostack.core.replay.log}, the newest part of one topic's log: its method C{resume}
decides what a client gets that comes back.  L{aerostack.core.replay.positions} has the places in a
log, and L{aerostack.core.replay.publications} what stands there.
L{aerostack.core.replay.idempotency} recognizes publications that a client sends again.
"""
