"""
Tests of how L{aerostack.process.logs} writes events.
"""

from __future__ import annotations

import io
import json
import sqlite3
from typing import Any

import psycopg
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors
from twisted.logger import Logger, LogLevel, LogPublisher, globalLogPublisher
from twisted.python import log as legacy
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.locks import Block, LockedOut
from aerostack.process.logs import makeObserver
from tests.process.events import failed, write
from tests.tracker.fakes import sqliteError

AROUND = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
FORMATS = st.sampled_from(["text", "json"])


class Unprintable:
    """Fails to describe itself."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


def met(error: BaseException) -> Failure:
    """
    @return: A failure with an error that was raised.
    """
    try:
        raise error
    except BaseException:
        return Failure()


class DatabaseTests(SynchronousTestCase):
    """
    What is written of a database that is in a state which has to be expected.
    """

    def event(self, error: BaseException) -> dict[str, Any]:
        """
        What is logged of an error.
        """
        return {
            "log_level": LogLevel.critical,
            "log_namespace": "n",
            "log_format": "Changes cannot be read; trying again.",
            "log_failure": met(error),
        }

    def test_states(self) -> None:
        """
        A line has the database's state, the daemon's sentence and the driver's message.
        """
        for error, said in (
            (sqliteError("SQLITE_BUSY", "database is locked"), "is locked by another program"),
            (sqliteError("SQLITE_FULL", "it is full"), "has no room left on its disk"),
            (sqliteError("SQLITE_READONLY", "read only"), "cannot be written to"),
            (sqlite3.OperationalError("no such table: realtime_messages"), "has lost the table"),
            (errors.TooManyConnections("too many"), "has no connection left"),
            (errors.QueryCanceled("statement timeout"), "took too long for a statement"),
            (errors.DeadlockDetected("deadlock"), "broke off a deadlock"),
            (errors.LockNotAvailable("lock timeout"), "is locked by another program"),
            (errors.DiskFull("no space"), "has no room left on its disk"),
        ):
            line = write("text", self.event(error))
            self.assertIn(
                f"error [n] Changes cannot be read; trying again: the database {said}", line
            )
            self.assertIn(f"({' '.join(str(error).split())})", line)
            self.assertEqual((line.count("\n"), line.count("\\n")), (1, 0))
            told = json.loads(write("json", self.event(error)))
            self.assertEqual(told["level"], "error")
            self.assertIn(said, told["message"])
            self.assertNotIn("traceback", told)

    def test_lost(self) -> None:
        """
        That the database is lost is said once by its pool; what each part says is for debugging.
        """
        for error in (errors.AdminShutdown("terminating"), psycopg.OperationalError("refused")):
            self.assertEqual(write("text", self.event(error), "info"), "")
            line = write("text", self.event(error))
            self.assertIn("debug [n] Changes cannot be read; trying again: the database", line)
            self.assertNotIn("Traceback", line)

    def test_ours(self) -> None:
        """
        The message of one of our own errors is not repeated.
        """
        locked = LockedOut([Block("_aerostack.messages", "process 7 (x)", "admin", None)])
        line = write("text", self.event(locked))
        said = "the database has its table _aerostack.messages locked by process 7 (x)"
        self.assertEqual(line.count(said), 1)
        self.assertIn("of the role admin", line)

    def test_mistakes(self) -> None:
        """
        Every other error keeps its traceback.
        """
        for error in (
            RuntimeError("no"),
            sqlite3.OperationalError("no such column: x"),
            errors.UndefinedColumn("no such column"),
            psycopg.ProgrammingError("a mistake"),
        ):
            line = write("text", self.event(error))
            self.assertIn("critical [n]", line)
            self.assertIn("Traceback", line)
            self.assertIn("Traceback", json.loads(write("json", self.event(error)))["traceback"])


class TextTests(SynchronousTestCase):
    """
    Tests for the C{text} format.
    """

    def test_line(self) -> None:
        """A line has the time, the level, the connection, the namespace and the message."""
        event = {
            "log_namespace": "aerostack.sessions.session",
            "log_format": "joined {topic}",
            "topic": "a/b",
            "connection": "c1a2",
        }
        self.assertEqual(
            write("text", event),
            "2026-11-23T20:37:35.123Z info  c1a2 [aerostack.sessions.session] joined a/b\n",
        )

    def test_noConnection(self) -> None:
        """
        An event without a connection leaves its place out.
        """
        event = {"log_namespace": "a.b", "log_format": "up", "log_level": LogLevel.critical}
        self.assertEqual(write("text", event), "2026-11-23T20:37:35.123Z critical [a.b] up\n")

    def test_oneLine(self) -> None:
        """
        A message cannot begin a second line, send a terminal a command, or turn the rest of the
        line.
        """
        for character in "\n\r\x0b\x0c\x1c\x85\u2028\u2029\x1b\x00\x9b\u202a\u202e\u2066\u2069":
            line = write("text", {"log_format": "a{x}b", "x": character})
            self.assertNotIn(character, line.removesuffix("\n"))
            self.assertEqual(len(line.splitlines()), 1)
        self.assertTrue(write("text", {"log_format": "a\nb"}).endswith(" a\\nb\n"))

    def test_traceback(self) -> None:
        """A failure's traceback stands in the same line as its message."""
        line = write("text", {"log_format": "it broke", "log_failure": failed("boom")})
        self.assertRegex(line, r"it broke\\nTraceback.*events\.py.*RuntimeError: boom\n\Z")
        self.assertEqual(len(line.splitlines()), 1)

    def test_surrogate(self) -> None:
        """A character that UTF-8 cannot carry is written as an escape."""
        line = write("text", {"log_format": "{name}", "name": "a\udc80b"})
        self.assertTrue(line.encode().endswith(b" a\\udc80b\n"))


class JSONTests(SynchronousTestCase):
    """
    Tests for the C{json} format.
    """

    def test_object(self) -> None:
        """A line is one object with the facts and the event's simple fields."""
        event = {
            "log_namespace": "aerostack.sessions.session",
            "log_format": "joined {topic}",
            "log_source": object(),
            "connection": "c1a2",
            "topic": "ä\n",
            "count": 3,
            "ratio": 0.5,
            "good": True,
            "none": None,
            "frame": {"a": 1},
            "level": "mine",
            "infinite": float("inf"),
            "huge": 10**5000,
        }
        line = write("json", event)
        self.assertEqual(len(line.splitlines()), 1)
        self.assertIn("ä", line)
        self.assertEqual(
            json.loads(line),
            {
                "time": "2026-11-23T20:37:35.123Z",
                "level": "info",
                "namespace": "aerostack.sessions.session",
                "connection": "c1a2",
                "message": "joined ä\n",
                "topic": "ä\n",
                "count": 3,
                "ratio": 0.5,
                "good": True,
                "none": None,
            },
        )

    def test_traceback(self) -> None:
        """A failure's traceback is a field, and its error the message if there is no other."""
        found = json.loads(write("json", {"log_format": None, "log_failure": failed("boom")}))
        self.assertEqual(found["message"], "RuntimeError: boom")
        self.assertIn("\n", found["traceback"])
        self.assertIn("RuntimeError: boom", found["traceback"])

    def test_surrogate(self) -> None:
        """A character that UTF-8 cannot carry comes back out of the JSON."""
        line = write("json", {"log_format": "{name}", "name": "a\udc80b"})
        self.assertEqual(json.loads(line.encode())["name"], "a\udc80b")

    @given(AROUND)
    def test_anyText(self, text: str) -> None:
        """Whatever a message says, the line is one line and valid JSON."""
        line = write("json", {"log_format": "{text}", "text": text})
        self.assertEqual(len(line.splitlines()), 1)
        self.assertEqual(json.loads(line)["message"], text)


class SturdinessTests(SynchronousTestCase):
    """
    An observer writes a line for every event, also for one that cannot be formatted.
    """

    def test_unformattable(self) -> None:
        """
        An event that cannot be formatted is written as far as possible.
        """
        bad = Unprintable()
        events: list[dict[str, Any]] = [
            {},
            {"log_format": "{missing}"},
            {"log_format": "{0} {"},
            {"log_format": 7},
            {"log_format": "{bad}", "bad": bad},
            {"log_format": "x", "connection": bad},
            {"log_format": "x", "log_namespace": bad},
            {"log_format": "x", "log_level": "loud"},
            {"log_format": "x", "log_time": "now"},
            {"log_format": "x", "log_time": float("nan")},
            {"log_format": "x", "log_time": 1e300},
            {"log_format": "x", "log_failure": "no failure"},
            {"log_failure": Failure(RuntimeError(bad))},
        ]
        for format in ("text", "json"):
            for event in events:
                line = write(format, event)
                self.assertEqual(len(line.splitlines()), 1, event)
                self.assertTrue(line.endswith("\n"))

    def test_legacy(self) -> None:
        """
        An event of Twisted's older log is one line too.
        """
        stream = io.StringIO()
        observer = makeObserver(stream, "json", "debug")
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        legacy.msg("an old message", system="old")
        found = json.loads(stream.getvalue())
        self.assertEqual((found["message"], found["level"]), ("an old message", "info"))

    def test_flushed(self) -> None:
        """
        A line is written before the event's call returns.
        """
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="utf-8")
        makeObserver(stream, "text", "info")({"log_format": "é"})
        self.assertTrue(raw.getvalue().endswith("é\n".encode()))


class LevelTests(SynchronousTestCase):
    """
    Tests for which events are written.
    """

    def written(self, level: str, namespace: str) -> list[str]:
        """
        @return: The levels that get through from a namespace.
        """
        stream = io.StringIO()
        logger = Logger(namespace, observer=LogPublisher(makeObserver(stream, "json", level)))
        for each in LogLevel.iterconstants():
            logger.emit(each, "x")
        return [json.loads(line)["level"] for line in stream.getvalue().splitlines()]

    def test_least(self) -> None:
        """Events below the level are left out."""
        names = ["debug", "info", "warn", "error", "critical"]
        for place, level in enumerate(names):
            self.assertEqual(self.written(level, "aerostack.hub.hub"), names[place:])

    def test_chatter(self) -> None:
        """
        What libraries say, such as that a stranger's connection timed out, is written from warn
        up, and all of it only at debug.
        """
        for namespace in (
            *("autobahn.twisted.websocket.X", "txaio", "twisted.web.http.HTTPChannel"),
            "log_legacy",
        ):
            self.assertEqual(self.written("info", namespace), ["warn", "error", "critical"])
            self.assertEqual(self.written("error", namespace), ["error", "critical"])
            self.assertEqual(len(self.written("debug", namespace)), 5)
        self.assertEqual(len(self.written("info", "autobahnish")), 4)

    def test_unknownFormat(self) -> None:
        """
        An unknown format or level is refused.
        """
        self.assertRaises(KeyError, makeObserver, io.StringIO(), "xml", "info")
        self.assertRaises(ValueError, makeObserver, io.StringIO(), "text", "loud")
