"""
The storage room: the configured database, behind a pool of threads.

L{aerostack.storage.pool} is the only place that knows adbapi,
L{aerostack.storage.schema} brings the daemon's own tables to the present version,
L{aerostack.storage.history} keeps messages, L{aerostack.storage.query} runs the
statements of C{db.query}.  Its SQL runs on the pool's threads, never on the
reactor's.
"""
