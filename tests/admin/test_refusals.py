"""
Tests for L{aerostack.admin.refusals}, and for what a worker tells the hub.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.admin.refusals import Refusals
from aerostack.core.diagnosis.refusals import BATCH, LINES, QUIET, Refusal
from aerostack.interfaces.refusals import IRefusals
from aerostack.workers.hub.refusals import WorkerRefusals
from aerostack.workers.worker.refusals import INTERVAL, RemoteRefusals
from tests.core.diagnosis.test_refusals import refusal
from tests.workers.worker.hubs import FakeHub


class RefusalsTests(SynchronousTestCase):
    """
    Tests for L{Refusals}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.refusals = Refusals(self.clock)
        self.refusals.startService()
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def written(self) -> list[str]:
        """Give the lines of the log since the last call, all of the level info."""
        lines = [formatEvent(event) for event in self.events]
        self.assertEqual({event["log_level"].name for event in self.events}, {"info"})
        self.events.clear()
        return lines

    def test_provides(self) -> None:
        """The node and a worker implement the contract."""
        verifyObject(IRefusals, self.refusals)
        verifyObject(IRefusals, RemoteRefusals(self.clock, FakeHub()))

    def test_log(self) -> None:
        """The first refusal has a line; a minute later another one has the number of the others."""
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
            self.refusals.note(refusal(origin="http://a.example", address=address, userId="ann"))
        self.assertEqual(
            self.written(),
            [
                "refused with unauthorized: No. (project p, origin http://a.example,"
                " address 192.0.2.1, user ann, GET /)"
            ],
        )
        self.clock.pump([QUIET / 4] * 5)
        (line,) = self.written()
        self.assertIn("refused with unauthorized: 2 more in 60 s (project p,", line)
        self.clock.pump([QUIET / 4] * 5)
        self.assertEqual((self.events, self.clock.getDelayedCalls()), ([], []))

    def test_early(self) -> None:
        """What is refused before the daemon has started, because its database is late, is said."""
        early = Refusals(self.clock)
        for _ in range(3):
            early.note(refusal(code="database_unavailable"))
        self.written()
        self.clock.pump([QUIET / 4] * 5)
        (line,) = self.written()
        self.assertIn("2 more in 60 s", line)

    def test_fields(self) -> None:
        """Programs that read the log find the facts as fields."""
        self.refusals.note(refusal(project=None, origin="http://a.example"))
        (event,) = self.events
        facts = {name: event[name] for name in ("code", "project", "origin", "address")}
        self.assertEqual(
            facts,
            {
                "code": "unauthorized",
                "project": None,
                "origin": "http://a.example",
                "address": "192.0.2.1",
            },
        )

    def test_flood(self) -> None:
        """Many origins make a few lines, and one for all others."""
        for n in range(LINES + 7):
            self.refusals.note(refusal(origin=str(n)))
        self.assertEqual(len(self.written()), LINES)
        self.clock.pump([QUIET / 4] * 5)
        (line,) = self.written()
        self.assertIn("7 more, of too many", line)
        self.assertEqual(self.refusals.counts, {"unauthorized": LINES + 7})

    def test_failure(self) -> None:
        """A failure of the daemon has a line of its own already; it is counted and listed."""
        self.refusals.note(refusal(code="internal_error"))
        self.assertEqual(self.events, [])
        self.assertEqual(self.refusals.counts, {"internal_error": 1})
        self.assertEqual(self.refusals.list("p")["total"], 1)

    def test_stop(self) -> None:
        """A stop writes at once what waits, and leaves no timer, whatever is refused afterwards."""
        for _ in range(3):
            self.refusals.note(refusal())
        self.written()
        self.clock.advance(5)
        self.refusals.stopService()
        (line,) = self.written()
        self.assertIn("2 more in 5 s", line)
        for _ in range(2):
            self.refusals.note(refusal(code="shutting_down"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_list(self) -> None:
        """An operator gets the facts of each group."""
        self.refusals.note(refusal(at=5, origin="http://a.example"))
        self.refusals.note(refusal(at=7, origin="http://a.example", userId="ann"))
        self.assertEqual(
            self.refusals.list("p"),
            {
                "refusals": [
                    {
                        "at": 7,
                        "since": 5,
                        "count": 2,
                        "code": "unauthorized",
                        "project": "p",
                        "origin": "http://a.example",
                        "address": "192.0.2.1",
                        "request": "GET /",
                        "userId": "ann",
                        "message": "No.",
                    }
                ],
                "total": 1,
            },
        )
        self.assertEqual(self.refusals.list("q"), {"refusals": [], "total": 0})


class WorkerTests(SynchronousTestCase):
    """
    Tests for a worker and the hub together.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.hub = FakeHub()
        self.remote = RemoteRefusals(self.clock, self.hub)
        self.remote.startService()
        self.refusals = Refusals(self.clock)
        self.handlers = WorkerRefusals(self.refusals).handlers

    def deliver(self) -> int:
        """Give the hub what the worker has said; return how many messages that were."""
        said, self.hub.said = self.hub.said, []
        link: Any = None
        for message in said:
            self.handlers[type(message)](link, message)
        return len(said)

    def note(self, *refusals: Refusal) -> None:
        """Let the worker refuse requests."""
        for each in refusals:
            self.remote.note(each)

    def test_gathered(self) -> None:
        """A worker gathers refusals for a second; the hub has them all."""
        self.note(refusal(at=1), refusal(at=2), refusal(code="forbidden"))
        self.assertEqual(self.deliver(), 0)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.deliver(), 1)
        self.assertEqual(self.refusals.counts, {"unauthorized": 2, "forbidden": 1})
        self.assertEqual(self.refusals.list("p")["total"], 2)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.deliver(), 0)
        # The hub answers the operator.
        self.assertEqual(self.remote.list("p"), {"refusals": [], "total": 0})

    def test_bounded(self) -> None:
        """Of very many different refusals in a second the hub and the log have the number."""
        events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        self.note(*(refusal(origin=str(n)) for n in range(BATCH + 9)))
        self.clock.advance(INTERVAL)
        self.deliver()
        self.assertEqual(self.refusals.counts, {"unauthorized": BATCH + 9})
        self.clock.pump([QUIET / 4] * 5)
        more = BATCH + 9 - LINES
        self.assertIn(f"{more} more, of too many", formatEvent(events[-1]) or "")

    def test_stop(self) -> None:
        """A worker that stops says at once what it has refused."""
        self.note(refusal())
        self.remote.stopService()
        self.deliver()
        self.assertEqual(self.refusals.counts, {"unauthorized": 1})
        self.assertEqual(
            [call for call in self.clock.getDelayedCalls() if call.time == INTERVAL], []
        )
