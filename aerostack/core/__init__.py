"""
The core room: the decisions, as functions of plain data.

Nothing here does I/O, reads a clock, draws random numbers or logs; what needs the time takes
C{now}.  Begin with L{aerostack.core.topics.topics}, the names that everything else goes by, and
L{aerostack.core.registry}, which knows the subscribers of each topic.  The packages in here hold
what a topic's log remembers (C{replay}), table rows and what a subscriber sees of them (C{rows}),
rights (C{access}), bounds (C{limits}), what an operator can ask (C{diagnosis}) and what nodes say
of themselves (C{nodes}).
"""
