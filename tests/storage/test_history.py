"""
Tests for L{aerostack.storage.history}.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.messages import Kept, Message
from aerostack.errors import RealtimeError
from aerostack.storage.history import History
from aerostack.storage.schema import migrate
from aerostack.testing import SynchronousDatabase

ROOM = "chat/a/p"


class SlowDatabase:
    """
    A database that does nothing before it is told to.

    @ivar waiting: What is to be run, in order.
    """

    def __init__(self, database: SynchronousDatabase) -> None:
        self._database = database
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def run(self, interaction: Callable[..., Any], *args: Any) -> Deferred[Any]:
        result: Deferred[Any] = Deferred()
        self.waiting.append((result, interaction, args))
        return result

    def step(self) -> None:
        """
        Run what came first.
        """
        result, interaction, args = self.waiting.pop(0)
        self._database.run(interaction, *args).chainDeferred(result)


class HistoryTests(SynchronousTestCase):
    """
    Runs a history on a database of its own.
    """

    def setUp(self) -> None:
        self.database = SynchronousDatabase(self.mktemp())
        self.addCleanup(self.database.close)
        self.successResultOf(self.database.run(migrate))
        self.slow = SlowDatabase(self.database)
        self.history = History(self.database, None, None)
        self.ids = count(1)

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


class AppendTests(HistoryTests):
    """
    Tests for L{History.append}.
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
        self.history = History(self.slow, None, None)
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
        self.history = History(self.slow, None, None)
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
        self.history = History(self.slow, None, None)
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
        self.history = History(self.slow, None, None)
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
        self.history = History(self.database, None, None)
        self.assertEqual(self.times(), [3, 1])

    def test_flushed(self) -> None:
        """
        L{History.flushed} waits for everything that was appended, failures included.
        """
        self.successResultOf(self.history.flushed())
        self.history = History(self.slow, None, None)
        self.history.batch = 1
        taken = self.message(1)
        appended = [self.history.append(message) for message in (taken, taken, self.message(2))]
        flushed = self.history.flushed()
        for _ in range(3):
            self.assertNoResult(flushed)
            self.slow.step()
        self.successResultOf(flushed)
        self.failureResultOf(appended[1], RealtimeError)


class PageTests(HistoryTests):
    """
    Tests for L{History.page}.
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

    @given(
        steps=st.lists(st.one_of(st.integers(0, 20), st.none()), max_size=40),
        limit=st.integers(1, 5),
    )
    def test_neitherSkippedNorRepeated(self, steps: list[int | None], limit: int) -> None:
        """
        Whatever is kept between two pages, in whatever order of the clock, a reader
        sees every message that was there when it began, once.
        """
        self.setUp()
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
        (path,) = self.database.connection.execute("SELECT file FROM pragma_database_list")
        with closing(SynchronousDatabase(path[0])) as other:
            histories = [self.history, History(other, None, None)]
            times = [
                self.successResultOf(histories[n % 2].append(self.message(7))).createdAt
                for n in range(6)
            ]
        self.assertEqual(times, list(range(7, 13)))


class ExpireTests(HistoryTests):
    """
    Tests for L{History.expire}.
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
        self.history = History(self.database, 2.0, None)
        for topic in (ROOM, "chat/b/p"):
            for time in (1000, 2999, 3000, 4000):
                self.keep(time, topic)
        self.assertEqual(self.expire(5000), [4])
        self.assertEqual((self.times(), self.times("chat/b/p")), ([4000, 3000], [4000, 3000]))

    def test_count(self) -> None:
        """
        A topic keeps its newest, each topic for itself.
        """
        self.history = History(self.database, None, 2)
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
        The topics of an earlier run are looked at too.
        """
        for time in (1, 2, 3):
            self.keep(time)
        self.history = History(self.database, None, 1)
        self.expire()
        self.assertEqual(self.times(), [3])

    def test_smallSteps(self) -> None:
        """
        No step forgets more than a batch, and together they forget everything, the
        oldest first.
        """
        self.history = History(self.database, None, 1)
        self.history.batch = 3
        for time in range(1, 6):
            for topic in (ROOM, "chat/b/p"):
                self.keep(time, topic)
        self.assertEqual(self.successResultOf(self.history.expire(0)), 3)
        self.assertIn([5, 4], [self.times(), self.times("chat/b/p")])
        steps = self.expire()
        self.assertEqual((sum(steps), max(steps)), (5, 3))
        self.assertEqual((self.times(), self.times("chat/b/p")), ([5], [5]))

    def test_held(self) -> None:
        """
        While somebody else holds the database nothing is forgotten, and afterwards no
        topic either.
        """
        self.history = History(self.database, None, 1)
        self.expire()
        for time in (1, 2):
            self.keep(time)
        (path,) = self.database.connection.execute("SELECT file FROM pragma_database_list")
        with closing(SynchronousDatabase(path[0])) as other:
            other.connection.execute("BEGIN IMMEDIATE")
            self.assertEqual(self.successResultOf(self.history.expire(0)), 0)
            other.connection.execute("ROLLBACK")
        self.assertEqual(self.expire(), [1])
        self.assertEqual(self.times(), [2])
