"""
Tests for L{aerostack.admin.crowds}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin.crowds import EACH, LINES, CrowdObserver


class CrowdTests(SynchronousTestCase):
    """
    Tests for L{CrowdObserver}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.written: list[LogEvent] = []
        self.observer = CrowdObserver(self.written.append, self.clock.seconds)

    def log(self, times: int = 1, **differing: Any) -> list[str]:
        """
        Log an event about a connection.

        @param times: Of how many connections.
        @return: What was written of that.
        """
        before = len(self.written)
        for number in range(times):
            event = {
                "log_namespace": "n",
                "log_level": LogLevel.info,
                "log_format": "closed",
                "connection": f"c{number}",
                **differing,
            }
            self.observer(event)
        return [formatEvent(event) for event in self.written[before:]]

    def test_bounded(self) -> None:
        """
        However many connections there are, the log has few lines about them, and says how many are
        missing.
        """
        self.assertEqual(self.log(LINES + 100), ["closed"] * LINES)
        self.clock.advance(EACH)
        self.assertEqual(self.log(10), ["closed (100 more of these were not written)"])
        self.clock.advance(EACH)
        self.assertEqual(self.log(), ["closed (9 more of these were not written)"])
        self.clock.advance(EACH * LINES)
        self.assertEqual(self.log(2), ["closed", "closed"])

    def test_kinds(self) -> None:
        """
        Many lines of one kind keep none of another kind out of the log.
        """
        self.log(LINES + 1)
        self.assertEqual(self.log(log_format="opened"), ["opened"])
        self.assertEqual(self.log(log_namespace="m"), ["closed"])

    def test_others(self) -> None:
        """
        What tells of no connection, of a fault, or comes from another process, is written each
        time.
        """
        self.log(LINES)
        for differing in (
            {"connection": None},
            {"log_level": LogLevel.warn},
            {"log_failure": Failure(RuntimeError("no"))},
            {"worker": "worker-1"},
        ):
            self.assertEqual(self.log(2, **differing), ["closed"] * 2, differing)
