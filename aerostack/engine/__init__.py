"""
How a publication reaches every daemon that shares its topics.

An engine implements L{aerostack.interfaces.messaging.IEngine}.  There is one,
L{aerostack.engine.memory}, for a daemon that is alone.  L{aerostack.engine.valkey} connects daemons
to a Valkey server.
"""
