"""
How a publication reaches every daemon that shares its topics, and how daemons reach each other.

An engine implements L{aerostack.interfaces.messaging.IEngine}, and a line
L{aerostack.interfaces.line.ILine}.  L{aerostack.engine.memory} and L{aerostack.engine.alone} are
for a daemon that is alone.  L{aerostack.engine.valkey} connects daemons to a Valkey server.  The
logs that daemons share over an engine are L{aerostack.interfaces.engine.ILog}.
"""
