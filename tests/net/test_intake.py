"""
Tests for L{aerostack.net.intake}.
"""

from __future__ import annotations

from typing import Any

from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net import intake
from aerostack.net.intake import BUDGET, LITTLE, SHARE, Intake


class Client:
    """
    A source whose bytes each take a millisecond.
    """

    def __init__(self, case: IntakeTests, name: str) -> None:
        self.case = case
        self.name = name
        self.unread = b""
        self.waiting = self.held = False
        self.ending = False
        self.reading = True
        self.failures: list[Failure] = []

    def feed(self) -> None:
        taken, self.unread = self.unread[:1], self.unread[1:]
        self.case.passed += 0.001
        self.case.taken.append(self.name)
        if taken == b"!":
            raise RuntimeError("no")

    def hold(self) -> None:
        self.reading = False

    def letGo(self) -> None:
        self.reading = True

    def failed(self, failure: Failure) -> None:
        self.failures.append(failure)


class IntakeTests(SynchronousTestCase):
    """
    Tests for L{Intake}.
    """

    def setUp(self) -> None:
        self.patch(intake, "BRIEF", 2)
        self.patch(intake, "MUCH", 10)
        self.calls: list[Any] = []
        self.passed = 0.0
        self.taken: list[str] = []
        self.intake = Intake(self, lambda: self.passed)  # type: ignore[arg-type]

    def callLater(self, delay: float, call: Any) -> None:
        """In place of a reactor."""
        self.calls.append(call)

    def turn(self) -> list[str]:
        """
        @return: Whose bytes were taken in the next turn, one by one.
        """
        self.taken = []
        calls, self.calls = self.calls, []
        for call in calls:
            call()
        return self.taken

    def test_little(self) -> None:
        """
        A few bytes are taken at once, and their socket is read on.
        """
        client = Client(self, "a")
        self.intake.take(client, b"xx")
        self.assertEqual((self.taken, client.reading), (["a", "a"], True))
        self.turn()
        self.assertEqual(self.calls, [])

    def test_fewTimers(self) -> None:
        """
        Turns that use little of the budget need no timer.  What they use together counts as that of
        one turn, which ends when it is more than a little.
        """
        for _ in range(round(LITTLE * 1000)):
            self.assertEqual(self.calls, [])
            self.intake.take(Client(self, "a"), b"x")
        self.intake.take(Client(self, "a"), b"x")
        self.assertEqual(len(self.calls), 1)
        self.turn()
        self.intake.take(Client(self, "a"), b"x")
        self.assertEqual(self.calls, [])

    def test_share(self) -> None:
        """
        Of many bytes a share is taken, and the rest waits while the socket is not read.
        """
        client, other = Client(self, "a"), Client(self, "b")
        self.intake.take(client, b"x" * 100)
        self.assertLessEqual(len(self.taken), round(SHARE * 1000) + 1)
        self.assertFalse(client.reading)
        # Another client that has sent as much does not overtake the first one.
        self.intake.take(other, b"x" * 100)
        self.assertNotIn("b", self.taken)
        self.assertEqual(self.turn()[:4], ["a", "b", "a", "b"])
        while self.calls:
            self.turn()
        self.assertTrue(client.reading and other.reading)
        self.assertEqual((client.unread, client.waiting, client.held), (b"", False, False))

    def test_budget(self) -> None:
        """
        No turn takes longer than the budget, even if very many clients send very much.
        """
        clients = [Client(self, str(number)) for number in range(50)]
        for client in clients:
            self.intake.take(client, b"x" * 30)
        most = round(BUDGET * 1000) + 1
        self.assertLessEqual(len(self.taken), most)
        total, turns = len(self.taken), []
        while self.calls:
            turns.append(self.turn())
            self.assertLessEqual(len(turns[-1]), most)
            total += len(turns[-1])
        self.assertEqual(total, 50 * 30)
        # And all of them have had theirs before one has had all.
        self.assertGreater(len({name for turn in turns[:6] for name in turn}), 40)

    def test_budgetOfSmall(self) -> None:
        """
        The bytes of many clients that send a little stay within the budget too.
        """
        for number in range(100):
            self.intake.take(Client(self, str(number)), b"x")
        self.assertLessEqual(len(self.taken), round(BUDGET * 1000) + 1)

    def test_brief(self) -> None:
        """
        A client that sends a little comes before clients that have sent much.
        """
        for number in range(30):
            self.intake.take(Client(self, f"flood{number}"), b"x" * 100)
        self.turn()
        for name in ("ann", "ben"):
            self.intake.take(Client(self, name), b"x")
        self.assertEqual(self.turn()[:2], ["ann", "ben"])

    def test_more(self) -> None:
        """
        Further bytes of a waiting client do not change its place.
        """
        client = Client(self, "a")
        self.intake.take(client, b"x" * 100)
        self.intake.take(client, b"y")
        self.assertTrue(client.unread.endswith(b"xy"))

    def test_reading(self) -> None:
        """
        The daemon reads on from a waiting client until many of its bytes wait.
        """
        self.intake.take(Client(self, "flood"), b"x" * 1000)
        client = Client(self, "a")
        self.intake.take(client, b"x" * 4)
        self.assertTrue(client.reading)
        self.intake.take(client, b"x" * 6)
        self.assertTrue(client.reading)
        self.intake.take(client, b"x")
        self.assertFalse(client.reading)
        while self.calls:
            self.turn()
        self.assertTrue(client.reading)
        self.assertEqual((client.unread, client.waiting, client.held), (b"", False, False))

    def test_failure(self) -> None:
        """
        A client whose bytes raise an exception loses them, and other clients do not.
        """
        client, other = Client(self, "a"), Client(self, "b")
        self.intake.take(client, b"x" * 10 + b"!" + b"x" * 50)
        self.intake.take(other, b"x")
        while self.calls:
            self.turn()
        self.assertEqual((client.unread, len(client.failures)), (b"", 1))
        self.assertEqual(other.unread, b"")

    def test_stopped(self) -> None:
        """
        After the stop only the bytes of closing connections are taken.
        """
        self.patch(intake, "MUCH", 0)
        client, early = Client(self, "a"), Client(self, "b")
        self.intake.take(early, b"x" * 10)
        self.intake.stopped = True
        self.taken = []
        self.intake.take(client, b"x")
        self.turn()
        self.assertEqual((self.taken, client.reading, early.reading), ([], False, False))
        client.ending = True
        self.intake.ending(client)
        self.turn()
        self.assertEqual((self.taken, client.reading), (["a"], True))
        self.intake.take(client, b"x")
        self.assertEqual(self.turn(), ["a"])
