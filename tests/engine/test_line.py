"""
Tests for L{aerostack.engine.line}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from aerostack.engine.alone import AloneNodes
from aerostack.engine.line import NodeLine
from aerostack.interfaces.line import ILine
from tests.engine.linecontract import DISCONNECT, LineContract


class AloneLineTests(LineContract, TestCase):
    """
    L{NodeLine} of a node that is alone is a line.
    """

    def setUp(self) -> None:
        self.clock = Clock()

    async def lines(self) -> dict[str, ILine]:
        line = NodeLine(self.clock, AloneNodes("here"))
        line.start(lambda what: self.receive("here", what))
        return {"here": line}

    async def until(self, condition: Callable[[], object]) -> None:
        self.assertTrue(condition())

    async def passed(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def test_notStarted(self) -> None:
        """
        Sending before the start is a fault of the program.
        """
        line = NodeLine(self.clock, AloneNodes("here"))
        self.assertRaises(RuntimeError, line.tell, DISCONNECT)
