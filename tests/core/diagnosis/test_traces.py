"""
Tests for L{aerostack.core.diagnosis.traces}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.traces import Recent, Traces


class RecentTests(SynchronousTestCase):
    """
    Tests for L{Recent}.
    """

    def test_bounded(self) -> None:
        """
        What was noted longest ago is forgotten first, also where a key comes again.
        """
        recent: Recent[str, int] = Recent(2)
        for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
            recent.note(key, value)
        self.assertEqual((recent.get("a"), recent.get("b"), recent.get("c")), (3, None, 4))
        self.assertEqual((list(recent), len(recent)), ([4, 3], 2))

    def test_kinds(self) -> None:
        """
        Much of one kind does not push out what there is of another.
        """
        traces = Traces(1)
        traces.turns.note(("c1", "a"), object())  # type: ignore[arg-type]
        traces.refused.note(("c2", "a"), object())  # type: ignore[arg-type]
        self.assertIsNotNone(traces.turns.get(("c1", "a")))
