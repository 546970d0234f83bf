"""
Tests for L{aerostack.engine.line}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.engine.line import LocalLine
from aerostack.errors import RealtimeError
from aerostack.interfaces.line import ILine


class LocalLineTests(SynchronousTestCase):
    """
    Tests for L{LocalLine}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.line = LocalLine(self.clock, "here")
        self.received: list[Any] = []
        self.answer: Deferred[Any] = Deferred()

    def receive(self, what: Any) -> Deferred[Any]:
        self.received.append(what)
        return self.answer

    def test_interface(self) -> None:
        """
        The line keeps the contract's signatures.
        """
        verifyObject(ILine, self.line)

    def test_notStarted(self) -> None:
        """
        Sending before the start is a fault of the program.
        """
        self.assertRaises(RuntimeError, self.line.tell, 1)

    def test_ask(self) -> None:
        """
        The node's answer comes under the node's name.
        """
        self.line.start(self.receive)
        asked = self.line.ask("what", 5)
        self.assertNoResult(asked)
        self.answer.callback(3)
        self.assertEqual((self.successResultOf(asked), self.received), ({"here": 3}, ["what"]))
        self.clock.advance(10)

    def test_missing(self) -> None:
        """
        A node that fails, refuses or is late has no answer; only a failure is logged as one.
        """
        self.line.start(self.receive)
        late = self.line.ask("what", 5)
        self.clock.advance(5)
        self.assertEqual(self.successResultOf(late), {"here": None})
        self.answer = fail(RealtimeError("overloaded", "Full."))
        self.assertEqual(self.successResultOf(self.line.ask("what", 5)), {"here": None})
        self.answer = fail(ZeroDivisionError())
        self.assertEqual(self.successResultOf(self.line.ask("what", 5)), {"here": None})
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_tell(self) -> None:
        """
        The node gets what is told, and its failure goes to the log.
        """
        self.line.start(self.receive)
        self.line.tell("what")
        self.assertEqual(self.received, ["what"])
        self.answer = fail(ZeroDivisionError())
        self.line.tell("more")
        self.answer = succeed(1)
        self.line.tell("again")
        self.assertEqual(self.received, ["what", "more", "again"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
