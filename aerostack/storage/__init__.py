"""
The storage room: the configured database, behind a pool of threads.

L{aerostack.storage.pool} is the only place that knows adbapi,
L{aerostack.storage.schema} brings the daemon's own tables to the present version,
L{aerostack.storage.history} keeps messages, with the SQL of L{aerostack.storage.messages}.
They are the same for every database; what differs is the L{aerostack.storage.dialect},
which L{aerostack.storage.sqlite} and L{aerostack.storage.postgres} have, beside their
connections.  L{aerostack.storage.sqlitequery} and L{aerostack.storage.postgresquery} run
the statements of C{db.query}.  All SQL runs on the pool's threads, never on the reactor's.
"""
