"""
aerostack-rt: a self-hosted realtime daemon.

One WebSocket per client carries database changes, pub/sub, presence, history and token
streams.  The code stands in rooms, which are listed here from the ground up.  A room imports
only from the rooms before it; what has to come back up comes through
L{aerostack.interfaces}:

0. vocabulary: L{aerostack.errors}, L{aerostack.settings};
1. pure, no I/O and no clock: L{aerostack.core}, L{aerostack.protocol}, L{aerostack.interfaces};
2. live: L{aerostack.auth}, L{aerostack.delivery}, L{aerostack.hub}, L{aerostack.tables},
   L{aerostack.recovery}, L{aerostack.streams}, L{aerostack.sessions}, L{aerostack.admin},
   L{aerostack.tracker};
3. adapters, one outside system each: L{aerostack.engine}, L{aerostack.workers},
   L{aerostack.databases}, L{aerostack.process}, L{aerostack.ai}, L{aerostack.net};
4. composition: L{aerostack.config}, L{aerostack.examples}, L{aerostack.cli},
   L{aerostack.server}.

Three rooms stand beside these floors.  L{aerostack.client} is the Python client: it knows the
vocabulary and the pure rooms, and only the composition uses it.  L{aerostack.testing} has
stand-ins for tests and imports from every room; no room imports from it.  L{aerostack.web} holds
the files for browsers, and no code.

C{tests/test_layers.py} keeps these promises.  C{docs/architecture.rst} has a picture of the rooms,
and follows the six ways that data takes through them.
"""

__version__ = "0.1.0"
