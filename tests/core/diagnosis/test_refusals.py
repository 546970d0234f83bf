"""
Tests for L{aerostack.core.diagnosis.refusals}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.refusals import (
    EACH,
    LINES,
    QUIET,
    SHOWN,
    Refusal,
    RefusalBatch,
    RefusalGroups,
    RefusalLines,
    refusalOf,
)
from aerostack.errors import LONGEST, RealtimeError


def refusal(**differs: Any) -> Refusal:
    """
    A refusal of an opening, with some things that differ.
    """
    what: dict[str, Any] = {
        "at": 1,
        "code": "unauthorized",
        "message": "No.",
        "project": "p",
        "origin": None,
        "address": "192.0.2.1",
        "request": "GET /",
    }
    return Refusal(**{**what, **differs})


class RefusalTests(SynchronousTestCase):
    """
    Tests for L{refusalOf}.
    """

    def test_bounded(self) -> None:
        """What a client may choose is cut."""
        long = "x" * LONGEST
        made = refusalOf(1.5, RealtimeError("unauthorized", long), "p", long, None, long, "ann")
        self.assertEqual((made.at, made.code, made.userId), (1500, "unauthorized", "ann"))
        for text in (made.message, made.origin, made.request):
            self.assertEqual(len(text or ""), SHOWN)


class GroupsTests(SynchronousTestCase):
    """
    Tests for L{RefusalGroups}.
    """

    def setUp(self) -> None:
        self.groups = RefusalGroups(2)

    def shown(self, project: str = "p") -> list[tuple[str | None, int, int, int]]:
        """Give the groups that an operator sees."""
        return [
            (each.newest.origin, each.count, each.since, each.newest.at)
            for each in self.groups.of(project)
        ]

    def test_groups(self) -> None:
        """Refusals with the same code, origin and address are one group, the newest group first."""
        for at, origin, address in ((1, "a", "x"), (2, "b", "x"), (3, "a", "x"), (4, "b", "y")):
            self.groups.note(refusal(at=at, origin=origin, address=address))
        # There are two groups at the most.
        self.assertEqual(self.shown(), [("b", 1, 4, 4), ("a", 2, 1, 3)])

    def test_older(self) -> None:
        """Refusals of another process that come late do not hide a newer one."""
        self.groups.note(refusal(at=5), 2)
        self.groups.note(refusal(at=3), 4)
        self.assertEqual(self.shown(), [(None, 6, 3, 5)])

    def test_projects(self) -> None:
        """A project's operator sees its refusals and those without a project, and no others."""
        for project, origin in (("p", "a"), (None, "b"), ("q", "c")):
            self.groups.note(refusal(project=project, origin=origin))
        for n in range(9):
            # One project does not displace what is known of another.
            self.groups.note(refusal(project="q", address=str(n)))
        self.assertEqual({shown[0] for shown in self.shown()}, {"a", "b"})

    def test_keep(self) -> None:
        """A project that is not configured any more is forgotten."""
        for project in ("p", None, "q"):
            self.groups.note(refusal(project=project, origin=project))
        self.groups.keep({"q"})
        self.assertEqual([shown[0] for shown in self.shown("p")], [None])
        self.assertEqual(len(self.shown("q")), 2)


class BatchTests(SynchronousTestCase):
    """
    Tests for L{RefusalBatch}.
    """

    def test_take(self) -> None:
        """What was gathered is taken once.  Beyond the most groups refusals are counted by code."""
        batch = RefusalBatch(2)
        for at, origin in enumerate(("a", "b", "a", "c", "d")):
            batch.note(refusal(at=at, origin=origin))
        groups, more = batch.take()
        self.assertEqual(
            [(each.origin, each.at, count) for each, count in groups], [("a", 2, 2), ("b", 1, 1)]
        )
        self.assertEqual(more, {"unauthorized": 2})
        self.assertEqual(batch.take(), ([], {}))


class LinesTests(SynchronousTestCase):
    """
    Tests for L{RefusalLines}.
    """

    def setUp(self) -> None:
        self.lines = RefusalLines(0.0)

    def due(self, now: float) -> list[tuple[str | None, int, float]]:
        """Give what is due."""
        return [(each.refusal.address, each.times, each.seconds) for each in self.lines.due(now)]

    def test_once(self) -> None:
        """One line comes at once; another one says after a while how many more there were."""
        self.assertTrue(self.lines.note(refusal(), 1, 0.0))
        for address in ("x", "y"):
            self.assertFalse(self.lines.note(refusal(address=address), 2, 1.0))
        self.assertEqual(self.due(QUIET / 2 - 1), [])
        self.assertEqual(self.due(QUIET), [("y", 4, QUIET)])
        # They go on, so the next line counts again, and has no first line again.
        self.assertFalse(self.lines.note(refusal(), 1, QUIET + 1))
        self.assertEqual(self.due(2 * QUIET), [("192.0.2.1", 1, QUIET)])
        self.assertEqual(self.due(3 * QUIET), [])
        self.assertTrue(self.lines.isIdle)
        self.assertTrue(self.lines.note(refusal(), 1, 3 * QUIET))

    def test_kinds(self) -> None:
        """Each code, project and origin has a line of its own; an address has none."""
        kinds: tuple[dict[str, Any], ...] = ({}, {"code": "forbidden"}, {"project": "q"})
        for kind in (*kinds, {"origin": "http://a.example"}):
            self.assertTrue(self.lines.note(refusal(**kind), 1, 0.0), kind)
        self.assertFalse(self.lines.note(refusal(address="192.0.2.9"), 1, 0.0))

    def test_several(self) -> None:
        """Of several refusals that come together, the first line is one and the others follow."""
        self.assertTrue(self.lines.note(refusal(), 5, 0.0))
        self.assertEqual(self.due(QUIET), [("192.0.2.1", 4, QUIET)])

    def test_bounded(self) -> None:
        """A stranger who invents origins gets few lines, and the rest is counted."""
        written = [self.lines.note(refusal(origin=str(n)), 1, 0.0) for n in range(LINES + 5)]
        self.assertEqual(written, [True] * LINES + [False] * 5)
        self.assertEqual((self.lines.takeOthers(), self.lines.takeOthers()), (5, 0))
        self.assertTrue(self.lines.note(refusal(origin="later"), 1, EACH))

    def test_bounded_persistent(self) -> None:
        """Many origins that go on for an hour get no more lines than new ones would."""
        hour, written = 3600, 0
        for second in range(hour):
            for n in range(20):
                origin = str((second * 20 + n) % 1000)
                written += self.lines.note(refusal(origin=origin), 1, float(second))
            if second % QUIET == 0:
                written += len(self.lines.due(float(second)))
        self.assertLessEqual(written, LINES + hour / EACH)
        rest = self.lines.all(float(hour))
        self.assertLessEqual(len(rest), LINES)
        self.assertTrue(self.lines.isIdle or self.lines.takeOthers())

    def test_restless(self) -> None:
        """What came behind a line shortly before the others are due waits for the next time."""
        self.lines.note(refusal(origin="a"), 1, 0.0)
        self.lines.note(refusal(origin="b"), 2, QUIET * 0.4)
        self.lines.note(refusal(origin="c"), 2, QUIET * 0.6)
        self.assertEqual([each.refusal.origin for each in self.lines.due(QUIET)], ["b"])
        self.assertEqual([each.refusal.origin for each in self.lines.due(2 * QUIET)], ["c"])

    def test_stop(self) -> None:
        """When the daemon stops, what has no line yet is given at once."""
        self.lines.note(refusal(), 3, 0.0)
        self.assertEqual([each.times for each in self.lines.all(1.0)], [2])
