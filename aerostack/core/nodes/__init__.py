"""
The nodes that serve the same projects together: what each says of itself, and what one makes of
what the others say.

A node is a daemon with an engine.  Begin with L{aerostack.core.nodes.reports}.
"""
