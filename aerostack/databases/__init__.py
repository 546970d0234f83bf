"""
The databases behind the daemon, and the code that they share.

Begin with L{aerostack.databases.backend}, the interface of a kind of database, and
L{aerostack.databases.open}, which chooses the configured one.  L{aerostack.databases.pool} runs
all SQL on threads, off the reactor.  L{aerostack.databases.history} keeps messages and
L{aerostack.databases.keptmessages} reads them, with the SQL of
L{aerostack.databases.messages}, L{aerostack.databases.revocations} the revocations of tokens, and
L{aerostack.databases.answers} the streamed answers that run.
The types are the packages L{aerostack.databases.sqlite} and L{aerostack.databases.postgres}.
"""
