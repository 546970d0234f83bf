"""
The core room: the decisions, as functions of plain data.

Nothing here does I/O, reads a clock, rolls dice or logs; what needs the time takes
C{now}.  Topics and the patterns over them, who is subscribed to what, who is
present where, how much a client may send and how much may wait for it, and when
something is due.
"""
