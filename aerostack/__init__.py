"""
aerostack-rt: a self-hosted realtime daemon.

One WebSocket a client carries database changes, pub/sub, presence, history
and token streams.  The rooms of this house, from the ground up; calls go down,
pushes come back up through the interfaces only:

0. vocabulary: L{aerostack.interfaces}, L{aerostack.errors};
1. pure, no I/O and no clock: L{aerostack.wire}, L{aerostack.core};
2. live: L{aerostack.hub}, L{aerostack.lanes}, L{aerostack.fanout}, L{aerostack.feeds},
   L{aerostack.telling}, L{aerostack.attendance}, L{aerostack.judging}, L{aerostack.recovery},
   L{aerostack.past}, L{aerostack.catchup}, L{aerostack.snapshots}, L{aerostack.outlet},
   L{aerostack.session}, L{aerostack.subscriptions}, L{aerostack.commands},
   L{aerostack.auth}, L{aerostack.rpc}, L{aerostack.farewell}, L{aerostack.pulse},
   L{aerostack.heartbeat}, L{aerostack.sampler}, L{aerostack.insight},
   L{aerostack.watching}, L{aerostack.why};
3. adapters, one outside system each: L{aerostack.net}, L{aerostack.storage},
   L{aerostack.tracker}, L{aerostack.engine};
4. composition: L{aerostack.config}, L{aerostack.logfile}, L{aerostack.databases},
   L{aerostack.condition}, L{aerostack.console}, L{aerostack.examples}, L{aerostack.daemon},
   L{aerostack.service}, L{aerostack.cli}.

C{tests/test_layers.py} keeps these promises.
"""

__version__ = "0.1.0"
