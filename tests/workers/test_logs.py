"""
Tests for L{aerostack.workers.logs}.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin.crowds import LINES
from aerostack.workers.frames import Codec, LogLine
from aerostack.workers.logs import LONGEST, MAX_WAITING, LogForwarder, relay
from aerostack.workers.worker.questions import ReadFailed


class Channel:
    """
    Stands for a channel to the hub, and encodes what it is given as a channel does.
    """

    def __init__(self) -> None:
        self.unread = 0
        self.lines: list[LogLine] = []

    def send(self, line: LogLine) -> None:
        Codec().encode(line)
        self.lines.append(line)


class LogTests(SynchronousTestCase):
    """
    Tests for a worker's log on its way to the hub's.
    """

    def setUp(self) -> None:
        self.channel: Any = Channel()
        self.log = Logger("a.b", observer=LogForwarder(self.channel, "info"))

    def relayed(self) -> list[dict[str, Any]]:
        """
        @return: The hub's events of all lines.
        """
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        try:
            for line in self.channel.lines:
                relay("worker-1", line)
        finally:
            globalLogPublisher.removeObserver(events.append)
        return events

    def test_unprintable(self) -> None:
        """
        An error that cannot be turned into text is logged all the same.
        """

        class Unprintable(Exception):
            def __str__(self) -> str:
                raise ValueError("it has no text")

        self.log.failure("it failed", Failure(Unprintable()))
        [line] = self.channel.lines
        self.assertEqual(line.level, "critical")
        self.assertIn("it failed\n", line.text)

    def test_event(self) -> None:
        """
        An event keeps its time, level, source and connection, and says whose it is.
        """
        self.log.warn("{n} things", n=3, connection="c7")
        self.log.debug("not wanted")
        [event] = self.relayed()
        self.assertEqual(
            (event["log_namespace"], event["log_level"].name, event["connection"]),
            ("a.b", "warn", "c7"),
        )
        self.assertEqual(event["log_time"], self.channel.lines[0].time)
        self.assertEqual((event["worker"], event["log_text"]), ("worker-1", "3 things"))

    def test_crowds(self) -> None:
        """
        Of connections that all end alike, and of failures that are the same, the hub gets few
        lines, as the log of one process has them.
        """
        for number in range(LINES + 20):
            self.log.info("closed", connection=f"c{number}")
            try:
                raise RuntimeError(f"{number}")
            except RuntimeError:
                self.log.failure("it broke", Failure(), connection=f"c{number}")
        levels = [line.level for line in self.channel.lines]
        self.assertEqual((levels.count("info"), levels.count("critical")), (LINES, 1))

    def test_failure(self) -> None:
        """
        A failure is carried with its traceback.
        """
        try:
            raise RuntimeError("no way")
        except RuntimeError:
            self.log.failure("it broke", Failure())
        [line] = self.channel.lines
        self.assertEqual(line.level, "critical")
        self.assertTrue(line.text.startswith("it broke\nTraceback"))
        self.assertIn("builtins.RuntimeError: no way", line.text)

    def test_database(self) -> None:
        """
        A state of the database has one line without a traceback; that the database is lost has
        none, because the hub says so.
        """
        for fault in ("cannot be reached", "is locked by another program"):
            try:
                raise ReadFailed("OperationalError:\n\tno", fault)
            except ReadFailed:
                self.log.failure("rows cannot be read", Failure())
        [line] = self.channel.lines
        self.assertEqual(line.level, "error")
        said = "the database is locked by another program (OperationalError: no)"
        self.assertEqual(line.text, f"rows cannot be read: {said}")

    def test_strange(self) -> None:
        """
        Text that UTF-8 cannot encode is carried escaped, and long text is cut.
        """
        self.log.info("{name}", name="a\udcff" + "x" * LONGEST)
        [line] = self.channel.lines
        self.assertTrue(line.text.startswith("a\\udcffxx"))
        self.assertLess(len(line.text), LONGEST + 10)

    def test_lost(self) -> None:
        """
        While the hub does not read, events are lost, and the next one says how many.
        """
        self.log.info("a")
        self.channel.unread = MAX_WAITING + 1
        self.log.info("b")
        self.log.info("c")
        self.channel.unread = 0
        self.log.info("d")
        self.log.info("e")
        self.assertEqual([line.lost for line in self.channel.lines], [0, 2, 0])
        self.assertEqual([event.get("n") for event in self.relayed()], [None, 2, None, None])
