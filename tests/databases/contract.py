"""
What a history promises, whatever database it is in.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import Any

from hypothesis import strategies as st
from psycopg.errors import UniqueViolation
from twisted.logger import capturedLogs, formatEvent

from aerostack.core.replay.publications import Kept, Message
from aerostack.databases import history, messages
from aerostack.databases.dialect import Dialect
from aerostack.databases.history import History
from aerostack.databases.messages import InDoubt, findMessages
from aerostack.databases.migrations import migrate
from aerostack.databases.pool import PooledDatabase
from aerostack.errors import RealtimeError
from tests.databases.synchronous import LosingDatabase, SlowDatabase

ROOM = "chat/a/p"

PAGING = {
    "steps": st.lists(st.one_of(st.integers(0, 20), st.none()), max_size=40),
    "limit": st.integers(1, 5),
}
"""For L{PageContract.checkPages}: times at which messages are kept, and L{None} where a page
is read; how many messages a page has."""


class PoolContract:
    """
    What every pool of connections keeps.  To be mixed into a test case that has a database with
    a table C{t}.

    @ivar database: The pool, of two threads.
    @ivar rows: Gives what somebody else sees in the table.
    """

    database: PooledDatabase
    rows: Callable[[], list[Any]]
    assertEqual: Any
    assertIs: Any
    assertIsNot: Any

    async def test_threads(self) -> None:
        """
        An interaction runs on another thread, what it returns comes to the reactor's.
        """

        def interaction(cursor: Any, a: int, b: int) -> Any:
            cursor.execute(f"SELECT {a} + {b}")
            return threading.current_thread(), cursor.fetchone()

        ran, row = await self.database.run(interaction, 1, 2)
        self.assertEqual(row, (3,))
        self.assertIsNot(ran, threading.current_thread())
        self.assertIs(threading.current_thread(), threading.main_thread())

    async def test_committed(self) -> None:
        """
        When an interaction has returned, everybody sees what it wrote.
        """

        def interaction(cursor: Any) -> None:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO t VALUES (1)")

        await self.database.run(interaction)
        self.assertEqual(self.rows(), [1])


class HistoryContract:
    """
    To be mixed into a test case, with a database; the rest of this module are its tests.

    @cvar dialect: How the database speaks.
    """

    dialect: Dialect

    # What the test case brings.
    addCleanup: Any
    assertEqual: Any
    assertIn: Any
    assertIsNone: Any
    assertIsNotNone: Any
    assertNoResult: Any
    failureResultOf: Any
    flushLoggedErrors: Any
    patch: Any
    successResultOf: Any

    def open(self) -> Any:
        """
        Open the test's database, once more if it is open already; its interactions run at
        once.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        self.database = self.open()
        self.addCleanup(self.database.close)
        self.successResultOf(self.database.run(migrate, self.dialect))
        self.slow = SlowDatabase(self.database)
        self.history = self.makeHistory()
        self.ids = count(1)

    def makeHistory(
        self, maxAge: float | None = None, maxCount: int | None = None, database: Any = None
    ) -> History:
        """
        Make a history in the database, or in what stands before it.
        """
        return History(database or self.database, self.dialect, maxAge, maxCount)

    def find(self, since: int, limit: int) -> tuple[int, list[Kept]]:
        """
        Look for what an earlier run left.

        @return: The newest message's time, and the messages that may be sent again.
        """
        found: list[Kept] = []
        newest = self.successResultOf(
            self.database.run(findMessages, self.dialect, since, limit, found.append)
        )
        return newest, found

    def forget(self) -> None:
        """
        Let the database be as it was at first.
        """
        self.database.connection.execute(f"DELETE FROM {self.dialect.messages}")

    def message(self, timestamp: int, topic: str = ROOM, **differing: Any) -> Message:
        """
        Make a message, with an id of its own.
        """
        values = {
            "id": f"m{next(self.ids)}",
            "topic": topic,
            "kind": "event",
            "event": "e",
            "data": b"1",
            "userId": None,
            "timestamp": timestamp,
        }
        return Message(**{**values, **differing})

    def keep(self, timestamp: int, topic: str = ROOM, **differing: Any) -> Kept:
        """
        Keep a message.
        """
        return self.successResultOf(
            self.history.append(self.message(timestamp, topic, **differing))
        )

    def times(self, topic: str = ROOM, limit: int = 1000, before: int | None = None) -> list[int]:
        """
        The times of a page.
        """
        page = self.successResultOf(self.history.page(topic, limit, before))
        return [kept.createdAt for kept in page]


class AppendContract(HistoryContract):
    """
    What is kept.
    """

    def test_whatWasKept(self) -> None:
        """
        What is read is what was kept.
        """
        data = '{"a":["é\\u0000",1e3,null]}'.encode()
        kept = self.keep(5, kind="chat_message", event="e ☃", data=data, userId="ann")
        (read,) = self.successResultOf(self.history.page(ROOM, 10, None))
        self.assertEqual(read, kept)

    def test_times(self) -> None:
        """
        A message gets its own time if that is after the topic's newest, else the next
        millisecond, also when the clock was set back.
        """
        times = [self.keep(t).createdAt for t in (10, 10, 10, 9, 50, 20)]
        self.assertEqual(times, [10, 11, 12, 13, 50, 51])
        self.assertEqual(self.keep(10, "chat/b/p").createdAt, 10)

    def test_timesWithinBatch(self) -> None:
        """
        Messages that are written together get times as if they came one by one.
        """
        self.history = self.makeHistory(database=self.slow)
        first = self.history.append(self.message(10))
        rest = [
            self.history.append(self.message(t, topic))
            for t, topic in ((10, ROOM), (3, "chat/b/p"), (10, ROOM), (3, "chat/b/p"))
        ]
        self.slow.step()
        self.slow.step()
        times = [self.successResultOf(kept).createdAt for kept in (first, *rest)]
        self.assertEqual(times, [10, 11, 3, 12, 4])

    def test_together(self) -> None:
        """
        What comes while the database is busy goes into one transaction, up to the
        size of a batch; nobody hears before the commit.
        """
        self.history = self.makeHistory(database=self.slow)
        self.history.batch = 3
        fired: list[str] = []
        for _ in range(8):
            appended = self.history.append(self.message(1))
            appended.addCallback(lambda kept: fired.append(kept.message.id))
        sizes = []
        while self.slow.waiting:
            self.assertEqual(len(self.slow.waiting), 1)
            before = len(fired)
            self.slow.step()
            sizes.append(len(fired) - before)
        self.assertEqual(sizes, [1, 3, 3, 1])
        self.assertEqual(fired, [f"m{n}" for n in range(1, 9)])

    def test_full(self) -> None:
        """
        When too much waits, a message is refused for now.
        """
        self.history = self.makeHistory(database=self.slow)
        self.history.maxWaiting = 2
        for _ in range(3):
            self.assertNoResult(self.history.append(self.message(1)))
        refused = self.failureResultOf(self.history.append(self.message(1)), RealtimeError)
        self.assertEqual(refused.value.code, "database_unavailable")
        self.assertIsNotNone(refused.value.retryAfter)
        self.slow.step()
        self.assertNoResult(self.history.append(self.message(1)))

    def test_failure(self) -> None:
        """
        A transaction that fails fails all of its messages, keeps none of them, and the
        next one goes on.
        """
        self.history = self.makeHistory(database=self.slow)
        self.history.batch = 2
        taken = self.message(1)
        ok = self.history.append(taken)
        bad = [self.history.append(self.message(2)), self.history.append(taken)]
        later = self.history.append(self.message(3))
        for _ in range(3):
            self.slow.step()
        self.successResultOf(ok)
        for failing in bad:
            error = self.failureResultOf(failing, RealtimeError).value
            self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertEqual(self.successResultOf(later).createdAt, 3)
        self.history = self.makeHistory()
        self.assertEqual(self.times(), [3, 1])
        self.flushLoggedErrors(sqlite3.IntegrityError, UniqueViolation)

    def test_failingOn(self) -> None:
        """
        While messages cannot be kept, all that wait are refused with the second attempt: they
        would wait for the same.
        """
        losing = LosingDatabase(self.database)
        self.slow = SlowDatabase(losing)
        self.history = self.makeHistory(database=self.slow)
        self.history.batch = 1
        appended = [self.history.append(self.message(time)) for time in range(5)]
        losing.loses = "undone"
        self.slow.step()
        self.failureResultOf(appended[0], RealtimeError)
        self.assertNoResult(appended[1])
        losing.loses = "undone"
        self.slow.step()
        for each in appended[1:]:
            self.failureResultOf(each, RealtimeError)
        self.flushLoggedErrors(InDoubt)

    def test_explained(self) -> None:
        """
        A publisher is told what is wrong with the database, as far as that is known.
        """
        losing = LosingDatabase(self.database)
        self.history = self.makeHistory(database=losing)
        self.patch(history, "known", lambda error: "is full of bees")
        losing.loses = "undone"
        error = self.failureResultOf(self.history.append(self.message(1)), RealtimeError).value
        self.assertEqual(
            error.message,
            "The message could not be kept; send it again. The database is full of bees.",
        )
        self.flushLoggedErrors(InDoubt)

    def test_probed(self) -> None:
        """
        Whether messages can be kept is seen though none comes; nothing stays of the attempt.
        """
        losing = LosingDatabase(self.database)
        self.history = self.makeHistory(database=losing)
        self.keep(1)
        losing.loses = "undone"
        self.successResultOf(self.history.probe())
        self.assertIsNotNone(self.history.failure)
        self.successResultOf(self.history.probe())
        self.assertIsNone(self.history.failure)
        self.assertEqual(self.times(), [1])
        self.flushLoggedErrors(ConnectionError)

    def test_flushed(self) -> None:
        """
        L{History.flushed} waits for everything that was appended, failures included.
        """
        self.successResultOf(self.history.flushed())
        self.history = self.makeHistory(database=self.slow)
        self.history.batch = 1
        taken = self.message(1)
        appended = [self.history.append(message) for message in (taken, taken, self.message(2))]
        flushed = self.history.flushed()
        for _ in range(3):
            self.assertNoResult(flushed)
            self.slow.step()
        self.successResultOf(flushed)
        self.failureResultOf(appended[1], RealtimeError)
        self.flushLoggedErrors(sqlite3.IntegrityError, UniqueViolation)

    def test_lost(self) -> None:
        """
        Where nobody knows whether a transaction took place, its messages are not kept, as
        their publishers were told: not before the next one, nor at the next look whether
        messages can be kept.
        """
        losing = LosingDatabase(self.database)
        self.history = self.makeHistory(database=losing)
        for loses in ("committed", "undone"):
            self.forget()
            self.keep(1)
            losing.loses = loses
            lost = self.history.append(self.message(5))
            error = self.failureResultOf(lost, RealtimeError).value
            self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
            self.assertEqual(self.keep(2).createdAt, 2)
            self.assertEqual(self.times(), [2, 1])
            self.successResultOf(self.history.append(self.message(3)))
            losing.loses = loses
            self.failureResultOf(self.history.append(self.message(5)), RealtimeError)
            self.successResultOf(self.history.probe())
            self.assertEqual(self.times(), [3, 2, 1])
        self.flushLoggedErrors(InDoubt)

    def test_lostAgain(self) -> None:
        """
        What was lost is forgotten once the database answers, however often it did not.
        """
        losing = LosingDatabase(self.database)
        self.history = self.makeHistory(database=losing)
        for loses in ("committed", "undone", "committed"):
            losing.loses = loses
            self.failureResultOf(self.history.append(self.message(5)), RealtimeError)
        self.assertEqual((self.keep(1).createdAt, self.times()), (1, [1]))
        self.flushLoggedErrors(InDoubt)

    def test_unstorable(self) -> None:
        """
        What no text of the database can hold is refused alone; what comes with it is kept.
        """
        self.history = self.makeHistory(database=self.slow)
        first = self.history.append(self.message(1))
        for character in ("\ud800", *self.dialect.forbidden):
            refused = self.history.append(self.message(2, userId=f"ann{character}"))
            error = self.failureResultOf(refused, RealtimeError).value
            self.assertEqual((error.code, error.retryAfter), ("invalid_arguments", None))
        more = self.history.append(self.message(3, userId="ann ☃"))
        self.slow.step()
        self.slow.step()
        for kept in (first, more):
            self.successResultOf(kept)

    def test_manyTopics(self) -> None:
        """
        One transaction holds messages of as many topics as there may be.
        """
        self.history = self.makeHistory(database=self.slow)
        first = self.history.append(self.message(1, "chat/0/p"))
        rest = [self.history.append(self.message(1, f"chat/{n}/p")) for n in range(500)]
        self.slow.step()
        self.slow.step()
        self.successResultOf(first)
        times = [self.successResultOf(kept).createdAt for kept in rest]
        self.assertEqual(times, [2] + [1] * 499)

    def test_said(self) -> None:
        """
        That messages cannot be kept is logged once, and so is that they can be again.
        """
        losing = LosingDatabase(self.database)
        self.history = self.makeHistory(database=losing)
        with capturedLogs() as logs:
            for _ in range(3):
                losing.loses = "undone"
                self.failureResultOf(self.history.append(self.message(1)), RealtimeError)
            self.keep(1)
            self.keep(1)
        self.assertEqual(
            [formatEvent(event) for event in logs],
            [
                "messages cannot be kept; trying again",
                "messages can be kept again; 3 were not",
            ],
        )
        self.flushLoggedErrors(InDoubt)


class PageContract(HistoryContract):
    """
    What is read in pages.
    """

    def test_newestFirst(self) -> None:
        """
        A page holds the newest messages of its topic alone, those before C{before}.
        """
        for time in (1, 2, 3, 4, 5):
            self.keep(time)
            self.keep(time, "chat/ab/p")
        self.assertEqual(self.times(limit=2), [5, 4])
        self.assertEqual(self.times(limit=2, before=4), [3, 2])
        self.assertEqual(self.times(limit=2, before=2), [1])
        self.assertEqual(self.times(limit=2, before=1), [])
        self.assertEqual(self.times("chat/c/p"), [])

    def checkPages(self, steps: list[int | None], limit: int) -> None:
        """
        Whatever is kept between two pages, in whatever order of the clock, a reader
        sees every message that was there when it began, once.
        """
        self.forget()
        expected: list[int] = []
        seen: list[int] = []
        before: int | None = None
        for step in steps:
            if step is not None:
                kept = self.keep(step).createdAt
                if not seen:
                    expected.insert(0, kept)
            elif seen or expected:
                page = self.times(limit=limit, before=before)
                seen += page
                before = page[-1] if page else before
        while page := self.times(limit=limit, before=before):
            seen += page
            before = page[-1]
        self.assertEqual(seen, expected)

    def test_twoWriters(self) -> None:
        """
        Two daemons on one database never give two messages of a topic one time.
        """
        with closing(self.open()) as other:
            histories = [self.history, self.makeHistory(database=other)]
            times = [
                self.successResultOf(histories[n % 2].append(self.message(7))).createdAt
                for n in range(6)
            ]
        self.assertEqual(times, list(range(7, 13)))


class PastContract(HistoryContract):
    """
    What is read again.
    """

    def survey(
        self, after: int, until: int, most: int = 100, topic: str = ROOM, seen: bool = False
    ) -> str | None:
        """
        Ask whether the past is there.
        """
        asked = self.history.surveyPast(topic, after, until, most, 1000, seen)
        return self.successResultOf(asked)  # type: ignore[no-any-return]

    def test_read(self) -> None:
        """
        Messages between two are read oldest first, the first not among them, up to a limit.
        """
        kept = [self.keep(time) for time in (1, 2, 3, 4, 5)]
        self.keep(3, "chat/b/p")
        read = self.successResultOf(self.history.readPast(ROOM, 1, 4, 10, 1000))
        self.assertEqual(read, kept[1:4])
        read = self.successResultOf(self.history.readPast(ROOM, 1, 4, 2, 1000))
        self.assertEqual(read, kept[1:3])
        read = self.successResultOf(self.history.readPast("chat/c/p", 0, 9, 9, 1000))
        self.assertEqual(read, [])

    def test_readBounded(self) -> None:
        """
        What is read is bounded by the length of the data too, but has one message at least.
        """
        kept = [self.keep(time, data=b'"%s"' % (b"x" * 98)) for time in (1, 2, 3, 4)]
        for size, most in ((1, 1), (100, 1), (101, 2), (300, 3), (1000, 4)):
            read = self.successResultOf(self.history.readPast(ROOM, 0, 9, 9, size))
            self.assertEqual(read, kept[:most])

    def test_forgottenBetween(self) -> None:
        """
        Messages that are forgotten for their age or their number between the survey and the
        reading, or between two pages, are a failure and not a hole.
        """
        for limits, now in (((0.5, None), 1500), ((None, 2), 1000)):
            self.history = self.makeHistory(*limits)
            topic = f"chat/{limits[1]}/p"
            for time in (997, 998, 999, 1000):
                self.keep(time, topic)
            self.assertIsNone(self.survey(997, 1000, topic=topic))
            read = self.successResultOf(self.history.readPast(topic, 997, 1000, 1, 1000))
            self.assertEqual([message.createdAt for message in read], [998])
            while self.successResultOf(self.history.expire(now)):
                pass
            for after in (997, 998) if limits[1] is None else (997,):
                failure = self.failureResultOf(
                    self.history.readPast(topic, after, 1000, 1, 1000), RealtimeError
                )
                self.assertEqual(failure.value.code, "history_expired")

    def test_setBack(self) -> None:
        """
        What was forgotten while the clock was ahead is missing also once it is set back.
        """
        self.history = self.makeHistory(0.5)
        for time in (900, 901):
            self.keep(time)
        self.successResultOf(self.history.expire(5000))
        self.keep(950)
        self.assertEqual(self.survey(899, 950), "expired")

    def test_stillThere(self) -> None:
        """
        What is old enough to be forgotten and has not been is no gap.
        """
        self.history = self.makeHistory(0.5)
        for time in (100, 200):
            self.keep(time)
        self.assertIsNone(self.survey(100, 200))

    def test_there(self) -> None:
        """
        A past that is all there has no gap, be it empty.
        """
        for time in (1, 2, 3):
            self.keep(time)
        for after, until in ((0, 3), (1, 3), (3, 3), (3, 9)):
            self.assertIsNone(self.survey(after, until))

    def test_tooMuch(self) -> None:
        """
        More than is sent again is a gap.
        """
        for time in (1, 2, 3):
            self.keep(time)
        self.assertIsNone(self.survey(0, 3, most=3))
        self.assertEqual(self.survey(0, 3, most=2), "limit")
        self.assertIsNone(self.survey(0, 2, most=2))

    def test_tooOld(self) -> None:
        """
        What may have been forgotten since, for its age or the number of its topic's
        messages, is a gap.
        """
        self.history = self.makeHistory(0.5)
        self.keep(900)
        self.assertIsNone(self.survey(500, 900))
        self.assertEqual(self.survey(499, 900), "expired")
        self.history = self.makeHistory(None, 2)
        self.keep(901)
        self.assertIsNone(self.survey(900, 901))
        self.assertEqual(self.survey(899, 901), "expired")

    def test_unknown(self) -> None:
        """
        A topic that keeps nothing at all does not know what was asked for.
        """
        self.keep(1)
        self.assertEqual(self.survey(1, 5, topic="chat/b/p"), "unknown")

    def test_olderDatabase(self) -> None:
        """
        A message that somebody has seen, and that is gone without having been forgotten, means
        that the database is an older one; the log says so once.
        """
        for time in (1, 3, 5):
            self.keep(time)
        with capturedLogs() as logs:
            for after in (1, 3, 5):
                self.assertIsNone(self.survey(after, 9, seen=True))
            for after in (0, 2, 4, 6):
                self.assertEqual(self.survey(after, 9, seen=True), "unknown")
                self.assertIsNone(self.survey(after, 9))
            self.assertEqual(self.survey(1, 9, topic="chat/b/p", seen=True), "unknown")
        self.assertEqual([log["topic"] for log in logs], [ROOM])

    def test_seenAndForgotten(self) -> None:
        """
        A message that somebody has seen, and that was forgotten since, is no sign of an older
        database.
        """
        for limits, now, gone in (((0.5, None), 1499, 998), ((None, 2), 0, 998)):
            self.history = self.makeHistory(*limits)
            topic = f"chat/{limits[1]}/p"
            for time in (997, 998, 999, 1000):
                self.keep(time, topic)
            while self.successResultOf(self.history.expire(now)):
                pass
            self.assertEqual(self.times(topic), [1000, 999])
            self.assertEqual(self.survey(gone, 1000, topic=topic, seen=True), "expired")
            self.assertIsNone(self.survey(999, 1000, topic=topic, seen=True))

    def test_found(self) -> None:
        """
        After a restart the newest message's time is known, and which messages their
        publishers may send again: the newest of those, oldest first.
        """

        def found(since: int, limit: int) -> tuple[int, list[Kept]]:
            return self.find(since, limit)

        self.assertEqual(found(0, 10), (0, []))
        kept = [self.keep(time, publishId=f"{time}", userId="ann") for time in (1, 2, 3)]
        self.keep(9, "chat/b/p")
        self.assertEqual(found(0, 10), (9, kept))
        self.assertEqual(found(2, 10), (9, kept[1:]))
        self.assertEqual(found(0, 2), (9, kept[1:]))

    def test_lostTable(self) -> None:
        """
        While the table of the messages is not there, a client that reads them is told that the
        database cannot be used.
        """
        self.database.connection.execute(f"DROP TABLE {self.dialect.messages}")
        for reading in (self.history.page(ROOM, 2, None), self.history.readPast(ROOM, 0, 9, 1, 9)):
            error = self.failureResultOf(reading).value
            self.assertEqual(getattr(error, "code", error), "database_unavailable")

    def test_foundInPortions(self) -> None:
        """
        However much data the messages have that may be sent again, only a portion of it is in
        memory at once.
        """
        self.patch(messages, "PORTION", 3)
        self.patch(messages, "PORTION_CHARACTERS", 3_000)
        sizes = (1, 1, 1, 1, 2_000, 900, 200, 9_000, 1)
        kept = [
            self.keep(time, f"chat/{time % 2}/p", data=b'"%s"' % (b"x" * size), publishId="1")
            for time, size in enumerate(sizes, 1)
        ]
        asked: list[int] = []
        portions = messages._portions
        self.patch(
            messages,
            "_portions",
            lambda rows: (asked.append(len(part) // 2) or part for part in portions(rows)),
        )
        self.assertEqual(self.find(0, 100), (9, kept))
        self.assertEqual(asked, [3, 3, 1, 1, 1])


GOOD: dict[str, Any] = {
    "id": "g",
    "room_id": ROOM,
    "kind": "event",
    "event": "e",
    "data": "1",
    "user_id": "ann",
    "created_at": 10,
    "publish_id": "1",
}
"""A row as a daemon writes it."""

FORGED: list[dict[str, Any]] = [
    *({"data": data} for data in ("", "nil", "{", '"\\ud83d"', "[" * 2000 + "]" * 2000)),
    *({"kind": kind} for kind in ("", "presence", "x" * 10_000)),
    *({"created_at": time} for time in (2**62, 253_402_300_800_000)),
]
"""How rows differ that no daemon has written, in any database."""


class ForgedContract(HistoryContract):
    """
    What somebody else has written into the table of the messages.

    @cvar forged: How such rows differ from one that a daemon has written.
    """

    forged = FORGED

    def write(self, **row: Any) -> None:
        """
        Write a row as it is.
        """
        names, marks = ", ".join(row), ", ".join(["?"] * len(row))
        table = self.dialect.messages
        self.successResultOf(
            self.database.run(
                lambda cursor: self.dialect.execute(
                    cursor, f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values())
                )
            )
        )

    def test_leftOut(self) -> None:
        """
        It is left out and logged with one line, wherever messages are read, and the messages
        before and behind it are there.
        """
        kept = [self.keep(1, publishId="1"), self.keep(3_000, publishId="2")]
        for n, difference in enumerate(self.forged):
            self.write(**{**GOOD, "id": f"f{n}", "created_at": 100 + n, **difference})
        with capturedLogs() as logs:
            read = [
                self.successResultOf(self.history.page(ROOM, 2, None))[::-1],
                self.successResultOf(self.history.readPast(ROOM, 0, 10_000, 1, 10_000)),
                self.successResultOf(self.history.readPast(ROOM, 1, 10_000, 1, 10_000)),
            ]
            found = self.find(0, 1000)
        self.assertEqual(read, [kept, kept[:1], kept[1:]])
        self.assertEqual(found, (3_000, kept))
        lines = [formatEvent(event) for event in logs]
        self.assertIn("rows of the message table are left out", lines[0])
        self.assertLess(max(map(len, lines)), 200)

    def test_goesOn(self) -> None:
        """
        New messages do not stand behind it.
        """
        self.write(**{**GOOD, "created_at": 2**62})
        self.assertEqual(self.keep(50).createdAt, 50)

    def test_unreadableNumbers(self) -> None:
        """
        A number that clients cannot read, which an older daemon may have kept, is read as a
        string.
        """
        self.write(**{**GOOD, "data": '{"a":[1e999,-1E999,"1e999",1.10],"b":' + "9" * 400 + "}"})
        (kept,) = self.successResultOf(self.history.page(ROOM, 10, None))
        expected = '{"a":["1e999","-1E999","1e999",1.10],"b":"' + "9" * 400 + '"}'
        self.assertEqual(kept.message.data.decode(), expected)


class ExpireContract(HistoryContract):
    """
    What is forgotten.
    """

    def expire(self, now: int = 0) -> list[int]:
        """
        Expire as long as there is anything to forget.

        @return: How much was forgotten in each step.
        """
        deleted = []
        while step := self.successResultOf(self.history.expire(now)):
            deleted.append(step)
        return deleted

    def test_unlimited(self) -> None:
        """
        Without limits everything stays.
        """
        self.keep(1)
        self.assertEqual(self.expire(10**15), [])
        self.assertEqual(self.times(), [1])

    def test_age(self) -> None:
        """
        What is older than the limit goes, in every topic.
        """
        self.history = self.makeHistory(2.0, None)
        for topic in (ROOM, "chat/b/p"):
            for time in (1000, 2999, 3000, 4000):
                self.keep(time, topic)
        self.assertEqual(self.expire(5000), [4])
        self.assertEqual((self.times(), self.times("chat/b/p")), ([4000, 3000], [4000, 3000]))

    def test_count(self) -> None:
        """
        A topic keeps its newest, each topic for itself.
        """
        self.history = self.makeHistory(None, 2)
        for time in (1, 2, 3, 4):
            self.keep(time)
        self.keep(1, "chat/b/p")
        self.assertEqual(self.expire(), [2])
        self.assertEqual((self.times(), self.times("chat/b/p")), ([4, 3], [1]))
        self.keep(5)
        self.assertEqual(self.expire(), [1])
        self.assertEqual(self.times(), [5, 4])

    def test_earlierRun(self) -> None:
        """
        The topics of an earlier run are looked at too, each of them.
        """
        topics = ("chat/a/p", "chat/a/pp", "chat/a/p/p", "chat/ab/p", "chat/é/p", "chat/A/p")
        for topic in topics:
            for time in (1, 2, 3):
                self.keep(time, topic)
        self.history = self.makeHistory(None, 1)
        self.expire()
        self.assertEqual([self.times(topic) for topic in topics], [[3]] * len(topics))

    def test_smallSteps(self) -> None:
        """
        No step forgets more than a batch, and together they forget everything, the
        oldest first.
        """
        self.history = self.makeHistory(None, 1)
        self.history.batch = 3
        for time in range(1, 6):
            for topic in (ROOM, "chat/b/p"):
                self.keep(time, topic)
        self.assertEqual(self.successResultOf(self.history.expire(0)), 3)
        self.assertIn([5, 4], [self.times(), self.times("chat/b/p")])
        steps = self.expire()
        self.assertEqual((sum(steps), max(steps)), (5, 3))
        self.assertEqual((self.times(), self.times("chat/b/p")), ([5], [5]))
