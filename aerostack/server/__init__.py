"""
The daemon, put together from its parts.

Begin with L{aerostack.server.daemon}, which makes every part of the configuration and hands each
part what it needs.  L{aerostack.server.service} runs it as the program C{twistd aerostack-rt},
L{aerostack.server.health} says how it does, and L{aerostack.server.housekeeping} does what is due
from time to time.
"""
