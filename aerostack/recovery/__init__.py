"""
Resume: a client that comes back gets what it missed, or the reason why it does not.

Begin with L{aerostack.recovery.recovery}, where every subscription begins, with the past or
without it: a coroutine that is read from top to bottom.  L{aerostack.recovery.replay} reads the
past of one topic for one subscription, from memory and from the database.
L{aerostack.recovery.beginnings} sends what a subscription begins with that has no position.
L{aerostack.recovery.ahead} lets clients wait that have seen more than this daemon has.
L{aerostack.recovery.pacing} gives the clients their turns.
"""
