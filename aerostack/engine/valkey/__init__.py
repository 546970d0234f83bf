"""
Valkey or Redis between daemons.  Begin with L{aerostack.engine.valkey.link}, the one connection to
the server.

The driver C{hiredis} comes with the extra C{valkey}.  Modules that need it are imported only where
an engine is configured.  L{aerostack.engine.valkey.address} works without it.
"""
