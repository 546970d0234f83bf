"""
aerostack-rt: a self-hosted realtime daemon.

One WebSocket a client carries database changes, pub/sub, presence, history
and token streams.  The rooms of this house, from the ground up.  A room imports only from
the rooms before it; what has to come back up comes through L{aerostack.interfaces}:

0. vocabulary: L{aerostack.errors}, L{aerostack.settings};
1. pure, no I/O and no clock: L{aerostack.core}, L{aerostack.protocol}, L{aerostack.interfaces};
2. live: L{aerostack.auth}, L{aerostack.delivery}, L{aerostack.hub}, L{aerostack.tables},
   L{aerostack.recovery}, L{aerostack.sessions}, L{aerostack.admin}, L{aerostack.tracker};
3. adapters, one outside system each: L{aerostack.engine}, L{aerostack.databases},
   L{aerostack.process}, L{aerostack.net};
4. composition: L{aerostack.config}, L{aerostack.examples}, L{aerostack.cli},
   L{aerostack.server}.

C{tests/test_layers.py} keeps these promises.
"""

__version__ = "0.1.0"
