"""
Tests for L{aerostack.engine.valkey.log}, against a real server.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from aerostack.core.replay.log import Depth
from tests.engine.lognodes import DEPTH, Node
from tests.engine.logs import LogContract
from tests.engine.valkey.nodes import NodesCase


class ValkeyLogTests(NodesCase, LogContract):  # type: ignore[misc]
    """
    L{aerostack.engine.valkey.log.ValkeyLog} is a log as every other.
    """


class RelayedLogTests(ValkeyLogTests):
    """
    It is so too where the line is slow and halves every packet.
    """

    def node(self, depth: Depth = DEPTH) -> Node:
        """
        Start a node that reaches the server through a relay.
        """
        relay = self.successResultOf(Deferred.fromCoroutine(self.relay()))
        relay.toServer.halved = relay.toClient.halved = True
        relay.toClient.delay = 0.002
        return super().node(depth)
