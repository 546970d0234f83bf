"""
Tests for C{bench/streamtexts.py}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamtexts import (
    BEGUN,
    DOUBLED,
    LOST,
    STREAMING,
    STUCK,
    WHOLE,
    Kept,
    Ledger,
    Readings,
    Script,
    Totals,
    compare,
    words,
)
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.units import units

TEXT = "".join(words(6))


class CompareTests(SynchronousTestCase):
    """
    Tests for L{compare}.
    """

    def test_verdicts(self) -> None:
        """
        A text is whole, a beginning, lacks a word, or has one twice.
        """
        parts = words(6)
        self.assertEqual(compare(TEXT, TEXT), WHOLE)
        self.assertEqual(compare("".join(parts[:4]), TEXT), BEGUN)
        self.assertEqual(compare("", TEXT), BEGUN)
        self.assertEqual(compare("".join(parts[:2] + parts[3:]), TEXT), LOST)
        self.assertEqual(compare("".join(parts[:2] + parts[1:]), TEXT), DOUBLED)

    def test_lengths(self) -> None:
        """
        The words differ in their lengths in bytes, characters and UTF-16 units.
        """
        self.assertLess(len(TEXT), units(TEXT))
        self.assertLess(units(TEXT), len(TEXT.encode()))


class LedgerTests(SynchronousTestCase):
    """
    Tests for L{Ledger}.
    """

    def setUp(self) -> None:
        self.ledger = Ledger()
        self.script = self.ledger.scripts["a"] = Script("a", "t/x", TEXT, 3.0, 100.0)
        self.watchers = [Readings(), Readings()]
        self.explained: list[str] = []

    def watch(self, text: str = TEXT, state: str = "done", *watchers: Readings) -> None:
        """
        Let watchers, or all of them, get a stream and its end.
        """
        for each in watchers or self.watchers:
            each.frame({"stream": "a", "event": "ai:token", "at": 0})
            end = {"stream": "a", "event": "ai:done", "timestamp": 105_000}
            each.frame(end)
            each.view("a", state, text)

    def judge(self, *kept: Kept, said: str | None = None) -> Totals:
        """
        Judge what all have.
        """
        return self.ledger.judge(
            self.watchers, {"a": kept}, {"a": said}, lambda kind, why: self.explained.append(kind)
        )

    def test_whole(self) -> None:
        """
        Where all have the whole text once, nothing is counted as a fault.
        """
        self.watch()
        self.assertEqual(self.judge(Kept("done", TEXT)), Totals(streams=1, done=1))
        self.assertEqual(self.explained, [])

    def test_aborted(self) -> None:
        """
        A stream that the daemon has ended has a beginning of the text.  Its end may come as late
        as the lease and the last restart allow.
        """
        self.script.left = 101.0
        self.watch(TEXT[:9], "aborted")
        found = self.judge(Kept("aborted", TEXT[:9]))
        self.assertEqual((found.aborted, found.slowest), (1, 1.0))
        self.ledger.events += [101.5, 101.75]
        self.assertEqual(self.judge(Kept("aborted", TEXT[:9])).slowest, 0.25)

    def faults(self, found: Totals) -> dict[str, Any]:
        """
        The faults that are counted.
        """
        names = ("lost", "doubled", "open", "late", "apart")
        return {name: getattr(found, name) for name in names if getattr(found, name)}

    def assertFaults(self, kept: Sequence[Kept], said: str | None = None, **faults: int) -> None:
        """
        Assert what is counted.
        """
        self.assertEqual(self.faults(self.judge(*kept, said=said)), faults)
        self.assertEqual(set(self.explained), set(faults))

    def test_lost(self) -> None:
        """
        A stream that is done and lacks text, that the history does not have, or that a watcher has
        not seen, is lost.
        """
        self.watch(TEXT[:9])
        self.assertFaults([Kept("done", TEXT[:9])], lost=1)
        self.assertFaults([], lost=1)
        self.watchers.append(Readings())
        self.assertFaults([Kept("done", TEXT[:9])], lost=2)

    def test_acknowledged(self) -> None:
        """
        Where no daemon is killed, an aborted stream has all that was acknowledged.
        """
        self.watch(TEXT[:3], "aborted")
        self.script.acked, self.script.keepsAll = 3, True
        self.assertFaults([Kept("aborted", TEXT[:3])])
        self.script.acked = 4
        self.assertFaults([Kept("aborted", TEXT[:3])], lost=1)

    def test_doubled(self) -> None:
        """
        A message or an end that comes twice is counted.
        """
        self.watch()
        self.watch(TEXT, "done", self.watchers[0])
        self.assertFaults([Kept("done", TEXT)] * 2, doubled=2, late=1)

    def test_open(self) -> None:
        """
        Whoever still says that a stream goes on is counted.
        """
        self.watch()
        self.watchers[1].view("a", STREAMING, TEXT)
        self.script.state = STUCK
        self.assertFaults([Kept("done", TEXT)], said=STREAMING, open=3)

    def test_apart(self) -> None:
        """
        A watcher that has another text than the history is counted; one that knows only that the
        stream is over is no fault.
        """
        self.watch(TEXT[:3], "aborted")
        self.watchers[1].view("a", "unknown", TEXT)
        self.assertFaults([Kept("aborted", TEXT[:4])], apart=1)
        self.assertEqual(self.judge(Kept("aborted", TEXT[:4])).unsaid, 1)

    def test_forgotten(self) -> None:
        """
        A stream that was abandoned before the database had it may be forgotten when the daemon is
        killed.
        """
        self.script.left = 101.0
        self.assertEqual(self.judge().lost, 1)
        self.ledger.events.append(102.0)
        found = self.judge()
        self.assertEqual((found.lost, found.forgotten), (0, 1))

    def test_emitted(self) -> None:
        """
        A stream whose id no producer knows is judged by its watchers alone.
        """
        self.watch()
        for each in self.watchers:
            each.frame({"stream": "e", "event": "ai:token"})
        found = self.judge(Kept("done", TEXT))
        self.assertEqual((found.streams, found.open), (2, 2))

    def test_sum(self) -> None:
        """
        The totals of two runs are added, and of the slowest ends the slower one counts.
        """
        found = Totals(streams=1, slowest=0.5) + Totals(streams=2, lost=1, slowest=0.25)
        self.assertEqual(found, Totals(streams=3, lost=1, slowest=0.5))
