"""
The engine room: how a publication reaches every daemon that shares its topics.

L{aerostack.engine.memory} serves a daemon that is alone.
"""
