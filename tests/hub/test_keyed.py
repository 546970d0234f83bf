"""
Tests for L{aerostack.hub.keyed}; L{tests.stories.test_keyedconditions} tells its stories.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.keyed.states import KeyedStates
from aerostack.core.keyed.values import Condition
from aerostack.core.replay.publications import EVENT, Publication
from aerostack.core.topics.policies import KeyedPolicy
from aerostack.errors import RealtimeError
from aerostack.hub.keyed import KeyedGate

TOPIC = "state/a/p"


class KeyedGateTests(SynchronousTestCase):
    """
    Tests for L{KeyedGate}.
    """

    def setUp(self) -> None:
        policy = KeyedPolicy()
        self.gate = KeyedGate(KeyedStates(), lambda topic: policy, 1_000_000, lambda: "m")

    def enter(self, condition: Condition | None, placed: Deferred[None] | None = None) -> Any:
        """
        Publish a value under the key C{a}.
        """
        publication = Publication(TOPIC, EVENT, "e", b"1", None, 1, key="a")
        return self.gate.enter(publication, False, condition, lambda messageId: placed)

    def test_bound(self) -> None:
        """
        What waits for its condition is bounded in bytes, and the topic goes on after a refusal.
        """
        self.gate.maxBytes = 10
        first = Deferred[None]()
        placing = self.enter(None, first)
        refused = self.enter(Condition(None))
        self.assertEqual(self.failureResultOf(refused, RealtimeError).value.code, "overloaded")
        first.callback(None)
        self.successResultOf(placing)
        self.assertNotIn(TOPIC, self.gate)
        self.assertIsNone(self.enter(None))
