"""
Tests for L{aerostack.engine.memory}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.engine.memory import MemoryEngine
from tests.engine.contract import EngineContract, publication


class MemoryEngineTests(EngineContract, SynchronousTestCase):
    """
    Tests for L{MemoryEngine}.
    """

    def makeNodes(self, count: int) -> list[MemoryEngine]:
        """
        See L{EngineContract}; this engine is for a daemon that is alone.
        """
        return [MemoryEngine()]

    def test_notStarted(self) -> None:
        """
        An engine that was not started refuses a publication.
        """
        self.assertRaises(RuntimeError, MemoryEngine().publish, publication("chat/a/p", 1))
