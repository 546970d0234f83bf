"""
Tests for L{aerostack.admin.repeats}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin import repeats
from aerostack.admin.repeats import LONGEST, QUIET, RepeatObserver


def failed(kind: type[Exception] = RuntimeError, text: str = "no") -> Failure:
    """
    @return: A failure of that kind, always with the same place in the code.
    """
    try:
        raise kind(text)
    except kind:
        return Failure()


class RepeatTests(SynchronousTestCase):
    """
    Tests for L{RepeatObserver}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.written: list[LogEvent] = []
        self.observer = RepeatObserver(
            self.written.append, self.clock.seconds, lambda event: event.get("state")
        )

    def log(self, failure: Failure | None, **differing: Any) -> int:
        """
        Log a failure, or an event without one.

        @return: How many events were written so far.
        """
        event = {
            "log_namespace": "n",
            "log_level": LogLevel.critical,
            "log_format": "it failed",
            **({} if failure is None else {"log_failure": failure}),
            **differing,
        }
        self.observer(event)
        return len(self.written)

    def test_once(self) -> None:
        """
        However often the same failure comes, and whatever it says, it is written once.
        """
        for client in range(500):
            self.assertEqual(self.log(failed(text=f"{client}"), connection=f"c{client}"), 1)
            self.clock.advance(0.1)

    def test_differing(self) -> None:
        """
        Failures that differ by logger, sentence, type or place are written each.
        """
        self.log(failed())
        self.assertEqual(self.log(failed(), log_namespace="m"), 2)
        self.assertEqual(self.log(failed(), log_format="that failed"), 3)
        self.assertEqual(self.log(failed(ValueError)), 4)
        self.assertEqual(self.log(Failure(RuntimeError("no"))), 5)

    def test_again(self) -> None:
        """
        A failure that comes after a pause is written again, with the number of those that were
        not.
        """
        for _ in range(4):
            self.log(failed())
            self.clock.advance(QUIET - 1)
        self.assertEqual(len(self.written), 1)
        self.clock.advance(1)
        self.log(failed())
        self.clock.advance(QUIET)
        self.log(failed())
        self.assertEqual(
            [formatEvent(event) for event in self.written],
            ["it failed", "it failed (3 more of these were not written)", "it failed"],
        )

    def test_states(self) -> None:
        """
        While the database is in one state its failures are written once; another state is
        written, and so is the same one after its logger has said something else.
        """
        for count, state in ((1, "locked"), (1, "locked"), (2, "full"), (2, "locked"), (2, "full")):
            self.assertEqual(self.log(failed(), state=state), count)
        self.assertEqual(self.log(None, log_namespace="m"), 3)
        self.assertEqual(self.log(failed(), state="full"), 3)
        self.assertEqual(self.log(None), 4)
        self.assertEqual(self.log(failed(), state="full"), 5)
        self.assertEqual(self.log(failed()), 6)
        self.log(None)
        self.assertEqual(self.log(failed()), 7)

    def test_long(self) -> None:
        """
        A failure that never stops is written from time to time.
        """
        step = QUIET / 2
        for _ in range(int(2.5 * LONGEST / step)):
            self.log(failed())
            self.clock.advance(step)
        self.assertEqual(len(self.written), 3)

    def test_others(self) -> None:
        """
        Events without a failure are all written.
        """
        self.log(None)
        self.assertEqual(self.log(None), 2)

    def test_bounded(self) -> None:
        """
        The number of different failures that are remembered is bounded.
        """
        self.patch(repeats, "MOST", 3)
        for number in (0, 1, 2, 0, 3, 0, 1):
            self.log(failed(), log_namespace=f"{number}")
        # The one of number 1 was forgotten for number 3.
        self.assertEqual([event["log_namespace"] for event in self.written], [*"01231"])
