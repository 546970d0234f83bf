"""
The models that the daemon asks on behalf of clients.

L{aerostack.ai.upstream} asks one over HTTP.
"""
