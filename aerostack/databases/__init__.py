"""
The databases behind the daemon, and what is the same for all of them.

Begin with L{aerostack.databases.backend}, which says what a type of database has to offer, and
L{aerostack.databases.open}, which chooses the configured one.  L{aerostack.databases.pool} runs
all SQL on threads, off the reactor.  L{aerostack.databases.history} keeps messages.  The types are
the packages L{aerostack.databases.sqlite} and L{aerostack.databases.postgres}.
"""
