"""
Tests for the marks of token streams in C{bench/tokenmarks.py}.
"""

from __future__ import annotations

from marks import Mark
from results import Results
from tokenmarks import holds, judgeTokens
from tokens import LADDER, TOP, Rung
from twisted.trial.unittest import SynchronousTestCase

GOOD: dict[str, float] = {
    "watchers": 1000,
    "right": 1000,
    "closed": 0,
    "deliveries": 1_000_000,
    "p50": 20,
    "p99": 50,
    "cpu": 40,
    "bytes": 40_000,
}


class TokenMarkTests(SynchronousTestCase):
    """
    Tests for L{judgeTokens} and L{holds}.
    """

    def setUp(self) -> None:
        self.results = Results()
        self.results.labels = {"aerostack": "ours", "ws": "ws", "centrifuge-delay": "delayed"}

    def add(self, system: str, rung: Rung = TOP, **values: float) -> None:
        """
        Add a sample.
        """
        self.results.add(system, f"tokens/{rung.name}", {**GOOD, **values})

    def reached(self) -> dict[str, bool | None]:
        """
        Judge.

        @return: By the words of a mark, whether it is reached.
        """
        return {mark.what: mark.reached for mark in self.marks()}

    def marks(self) -> list[Mark]:
        """
        Judge.
        """
        return list(judgeTokens(self.results))

    def test_good(self) -> None:
        """
        A run with whole texts, short times and little work reaches the marks of its load.
        """
        self.add("aerostack")
        self.assertEqual(set(self.reached().values()), {True})
        self.assertEqual(len(self.reached()), 4)

    def test_oneText(self) -> None:
        """
        One watcher of all without the whole text misses the mark, in the worst round.
        """
        self.add("aerostack")
        self.add("aerostack", right=999)
        self.add("aerostack")
        self.assertFalse(self.reached()[f"{TOP}, 1,000 watchers: whole texts"])

    def test_closed(self) -> None:
        """
        A closed watcher misses the mark.
        """
        self.add("aerostack", closed=1)
        self.assertFalse(self.reached()[f"{TOP}, 1,000 watchers: whole texts"])

    def test_slow(self) -> None:
        """
        A p99 above its mark misses that mark only.
        """
        self.add("aerostack", p99=81)
        missed = [what for what, reached in self.reached().items() if not reached]
        self.assertEqual(missed, [f"{TOP}, 1,000 watchers: p99"])

    def test_peers(self) -> None:
        """
        Of each peer the first load is named that it does not hold; a load with late texts is not
        held, even if all of them are right in the end.
        """
        for rung in LADDER:
            self.add("ws", rung, p99=1001 if rung is TOP else 50)
            self.add("centrifuge-delay", rung)
        self.assertFalse(holds(self.results, "ws", TOP))
        said = [mark.against for mark in self.marks() if mark.reached is None]
        self.assertEqual(said, [f"not {TOP}: ws", "holds all: delayed"])

    def test_failed(self) -> None:
        """
        A peer does not hold a load under which it failed.
        """
        self.add("ws", LADDER[0])
        self.results.fail("ws", f"tokens/{LADDER[1].name}", "it ended")
        self.add("ws", TOP, right=0)
        self.assertEqual([mark.against for mark in self.marks()], [f"not {LADDER[1]}: ws"])

    def test_nothingArrived(self) -> None:
        """
        A load is not held where no token arrived in the measured time.
        """
        self.add("ws", p99=-1)
        self.assertFalse(holds(self.results, "ws", TOP))

    def test_bytes(self) -> None:
        """
        The bytes of a token are compared with those of the peer that gathers frames.
        """
        what = f"{TOP}: bytes for a token and watcher"
        self.add("aerostack", bytes=80)
        self.add("centrifuge-delay", bytes=100)
        self.assertTrue(self.reached()[what])
        self.add("aerostack", bytes=200)
        self.assertFalse(self.reached()[what])

    def test_behind(self) -> None:
        """
        A peer that has delivered half of the tokens has used twice as much for each.
        """
        self.add("aerostack", cpu=40)
        self.add("centrifuge-delay", cpu=25, deliveries=500_000)
        self.assertTrue(self.reached()[f"{TOP}: processor time for a token and watcher"])

    def test_lateBytes(self) -> None:
        """
        A client that comes late may get a twentieth more than the text, and 2 KiB.
        """
        late = {"clients": 20, "right": 20, "max": 5, "text": 100_000}
        what = "join late at 100,000 tokens, idle: bytes"
        self.results.add("aerostack", "tokens/late/idle", {**late, "ratio": 1.07})
        self.assertTrue(self.reached()[what])
        self.results.add("aerostack", "tokens/late/idle", {**late, "ratio": 1.2})
        self.assertFalse(self.reached()[what])

    def test_stalled(self) -> None:
        """
        Each watcher that stalled has the whole text when it has read again, and none is closed.
        """
        what = "stalled watchers that read again: whole texts"
        name = "tokens/stalled/stalled"
        found = {**GOOD, "ratio": 1, "memory": 5000, "stalled": 201, "whole": 201, "dropped": 0}
        self.results.add("aerostack", "tokens/stalled/reading", GOOD)
        self.results.add("aerostack", name, found)
        self.assertTrue(self.reached()[what])
        self.results.add("aerostack", name, {**found, "dropped": 1})
        self.assertFalse(self.reached()[what])
