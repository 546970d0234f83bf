"""
Tests for L{aerostack.engine.valkey.outage}.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import formatEvent
from twisted.logger import globalLogPublisher as publisher
from twisted.trial.unittest import SynchronousTestCase

from aerostack.engine.valkey.outage import LONG, EngineOutage


class OutageTests(SynchronousTestCase):
    """
    Tests for L{EngineOutage}.
    """

    def setUp(self) -> None:
        self.outage = EngineOutage()
        self.events: list[dict[str, Any]] = []
        publisher.addObserver(self.events.append)
        self.addCleanup(publisher.removeObserver, self.events.append)

    def said(self) -> list[tuple[str, str]]:
        """Give the level and the text of each line since the last call."""
        lines = [(each["log_level"].name, formatEvent(each)) for each in self.events]
        self.events.clear()
        return lines

    def test_restart(self) -> None:
        """A restart has one warning, whatever the server says, and one line at its end."""
        self.outage.over(0.0)
        self.assertEqual(self.said(), [("info", "the engine answers")])
        for now, why, code in ((1.0, "lost", None), (2.0, "refused", None), (3.0, "l", "LOADING")):
            self.outage.lost(why, code, now)
        self.outage.over(6.0)
        self.assertEqual(
            self.said(),
            [
                ("warn", "the engine is lost; the daemon tries again: lost"),
                ("info", "the engine answers again, after 5 s"),
            ],
        )
        self.outage.lost("lost", None, 7.0)
        self.assertEqual(len(self.said()), 1)

    def test_long(self) -> None:
        """An outage that no restart explains has one error."""
        for now in (0.0, LONG / 2, LONG, 2 * LONG):
            self.outage.lost("refused", None, now)
        self.assertEqual(
            self.said(),
            [
                ("warn", "the engine is lost; the daemon tries again: refused"),
                (
                    "error",
                    "the engine has not been reached for 30 s; the daemon tries again: refused",
                ),
            ],
        )

    def test_refused(self) -> None:
        """A refused login is an error at once."""
        for now in (0.0, 1.0):
            self.outage.lost("WRONGPASS no", "WRONGPASS", now)
        ((level, line),) = self.said()
        self.assertEqual(level, "error")
        self.assertIn("WRONGPASS no", line)
