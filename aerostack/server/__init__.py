"""
The daemon, put together from its parts.

Begin with L{aerostack.server.daemon}, which joins two halves: L{aerostack.server.node} makes what
exists once on a machine, and L{aerostack.server.front} what serves clients.
L{aerostack.server.service} runs the daemon as the program C{twistd aerostack-rt},
L{aerostack.server.health} says how it does, and L{aerostack.server.housekeeping} does what is due
from time to time.
"""
