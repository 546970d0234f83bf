"""
Tests for L{aerostack.engine.valkey.holds}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.presence import Member
from aerostack.engine.valkey.holds import Hold, Holds
from aerostack.errors import RealtimeError

TOPIC = "chat/a/p"


class HoldsTests(SynchronousTestCase):
    """
    Tests for L{Holds}.
    """

    def setUp(self) -> None:
        self.holds = Holds()

    def ask(self, state: bytes = b"{}", topic: str = TOPIC, most: int | None = None) -> Hold:
        return self.holds.ask(topic, "c1", "ann", None, state, most)

    def test_granted(self) -> None:
        """
        The first answer makes a connection present; what it holds can be restored once it asks for
        no change.
        """
        first, second = self.ask(), self.ask(b"1")
        self.assertIs(first, second)
        self.assertTrue(self.holds.granted(first, Member("c1", "ann", b"{}", 1)))
        self.assertEqual(list(self.holds.present()), [])
        self.assertFalse(self.holds.granted(first, Member("c1", "ann", b"1", 1)))
        (held,) = self.holds.present()
        self.assertEqual((held.topic, held.connectionId, held.member.state), (TOPIC, "c1", b"1"))
        self.assertTrue(self.holds.isHeld(held))
        self.holds.end(TOPIC, "c1")
        self.assertFalse(self.holds.isHeld(held))

    def test_refused(self) -> None:
        """
        A connection whose only request was refused holds nothing; one that was present stays.
        """
        self.holds.refused(TOPIC, "c1", self.ask())
        self.assertEqual(self.holds.topicsOf("c1"), ())
        hold = self.ask()
        self.holds.granted(hold, Member("c1", "ann", b"{}", 1))
        self.holds.refused(TOPIC, "c1", self.ask(b"1"))
        self.assertTrue(self.holds.has(TOPIC, "c1"))

    def test_refusedLate(self) -> None:
        """
        A refusal that comes after the end does not end what was asked for since.
        """
        early = self.ask()
        self.assertTrue(self.holds.end(TOPIC, "c1"))
        self.assertFalse(self.holds.end(TOPIC, "c1"))
        self.ask()
        self.holds.refused(TOPIC, "c1", early)
        self.assertEqual(self.holds.topicsOf("c1"), (TOPIC,))

    def test_most(self) -> None:
        """
        The states of a connection are bounded together, those that were asked for among them.
        """
        self.holds.granted(self.ask(b"1" * 6, most=10), Member("c1", "ann", b"1" * 6, 1))
        self.ask(b"1" * 4, "chat/b/p", most=10)
        error = self.assertRaises(RealtimeError, self.ask, b"1" * 7, TOPIC, 10)
        self.assertEqual(error.code, "too_large")
        self.holds.refused(TOPIC, "c1", self.ask(b"1", most=10))
        self.assertRaises(RealtimeError, self.ask, b"1", "chat/c/p", 10)

    def test_endAll(self) -> None:
        """
        A connection that ends holds nothing, and nothing is left behind.
        """
        self.ask()
        self.ask(topic="chat/b/p")
        self.assertEqual(list(self.holds.endAll("c1")), [TOPIC, "chat/b/p"])
        self.assertEqual(self.holds.endAll("c1"), {})
        self.assertEqual(vars(self.holds), vars(Holds()))
