"""
Tests of keeping messages, for every database.
"""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent

from aerostack.core.replay.publications import StreamMark
from aerostack.databases import history, keptmessages
from aerostack.databases.keeping import InDoubt
from aerostack.errors import RealtimeError
from tests.databases.contracts.history import ROOM, HistoryContract
from tests.databases.synchronous import LosingDatabase, SlowDatabase


class AppendContract(HistoryContract):
    """
    Keeping messages.
    """

    def test_whatWasKept(self) -> None:
        """
        A message is read as it was kept.
        """
        data = '{"a":["é\\u0000",1e3,null]}'.encode()
        kept = self.keep(5, kind="chat_message", event="e ☃", data=data, userId="ann")
        (read,) = self.successResultOf(self.history.page(ROOM, 10, None))
        self.assertEqual(read, kept)

    def test_ends(self) -> None:
        """
        A message that keeps the end of a stream is read as one, by pages and from the past; no
        other message is.
        """
        plain = self.keep(1, event="ai:done", data=b'{"id":"a/1","state":"done"}')
        end = self.keep(2, event="ai:done", stream=StreamMark("a/1", state="aborted"))
        page = self.successResultOf(self.history.page(ROOM, 10, None))
        past = self.successResultOf(self.history.readPast(ROOM, 0, 10, 10, 10_000))
        self.assertEqual((page, past), ([end, plain], [plain, end]))

    def test_findEnd(self) -> None:
        """
        The end of a stream is found by the stream's id in its project; of several the last.
        """
        ends = [
            self.keep(time, topic, event="ai:done", stream=StreamMark("a1", state="done"))
            for time, topic in ((1, ROOM), (9, "chat/b/p"), (5, "chat/c/p"), (20, "chat/a/q"))
        ]
        self.keep(30, event="ai:done", data=b'{"id":"a1","stream":"a1"}')
        find = self.history.findEnd
        self.assertEqual(self.successResultOf(find("p", "a1")), ends[1])
        self.assertEqual(self.successResultOf(find("q", "a1")), ends[3])
        for project, stream in (("p", "a2"), ("r", "a1"), ("chat/a/p", "a1"), ("p", "")):
            self.assertIsNone(self.successResultOf(find(project, stream)))

    def test_longEnd(self) -> None:
        """
        The end of a stream that is too long to be read at once is not read.
        """
        self.patch(keptmessages, "END_CHARACTERS", 5)
        for size, stream in ((5, "a1"), (6, "a2")):
            mark = StreamMark(stream, state="done")
            self.keep(1, event="ai:done", data=b"1" * size, stream=mark)
        self.assertIsNotNone(self.successResultOf(self.history.findEnd("p", "a1")))
        error = self.failureResultOf(self.history.findEnd("p", "a2"), RealtimeError).value
        self.assertEqual(error.code, "too_large")

    def test_times(self) -> None:
        """
        A message gets its own time if that is after the topic's newest, else the next
        millisecond, also after the clock was set back.
        """
        times = [self.keep(t).createdAt for t in (10, 10, 10, 9, 50, 20)]
        self.assertEqual(times, [10, 11, 12, 13, 50, 51])
        self.assertEqual(self.keep(10, "chat/b/p").createdAt, 10)

    def test_before(self) -> None:
        """
        A message that was kept has the time of the message before it in its topic.
        """
        kept = [self.keep(10), self.keep(9), self.keep(5, "chat/b/p"), self.keep(50)]
        self.assertEqual([each.before for each in kept], [0, 10, 0, 11])

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
        times = [self.successResultOf(kept).createdAt for kept in (first, *rest)]
        self.assertEqual(times, [10, 11, 3, 12, 4])

    def test_together(self) -> None:
        """
        Messages that arrive before a transaction begins go into it, up to the size of a batch.
        Their publishers get no answer before the commit.
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
        self.assertEqual(sizes, [3, 3, 2])
        self.assertEqual(fired, [f"m{n}" for n in range(1, 9)])

    def test_bytes(self) -> None:
        """
        A transaction has at most so many bytes of data, or a single message that is larger.
        """
        self.history = self.makeHistory(database=self.slow)
        self.history.batchBytes = 10
        fired: list[int] = []
        for size in (4, 6, 1, 20, 3, 3, 5):
            appended = self.history.append(self.message(1, data=b"1" * size))
            appended.addCallback(lambda kept: fired.append(len(kept.message.data)))
        batches = []
        while self.slow.waiting:
            before = len(fired)
            self.slow.step()
            batches.append(fired[before:])
        self.assertEqual(batches, [[4, 6], [1], [20], [3, 3], [5]])

    def test_full(self) -> None:
        """
        When too many messages wait, the next one is refused for now.
        """
        self.history = self.makeHistory(database=self.slow)
        self.history.maxWaiting = 2
        for _ in range(2):
            self.assertNoResult(self.history.append(self.message(1)))
        refused = self.failureResultOf(self.history.append(self.message(1)), RealtimeError)
        self.assertEqual(refused.value.code, "database_unavailable")
        self.assertIsNotNone(refused.value.retryAfter)
        self.slow.step()
        self.assertNoResult(self.history.append(self.message(1)))

    def test_failure(self) -> None:
        """
        A failed transaction fails all of its messages, keeps none of them, and the next one
        succeeds.
        """
        losing = LosingDatabase(self.database)
        self.slow = SlowDatabase(losing)
        self.history = self.makeHistory(database=self.slow)
        self.history.batch = 2
        appended = [self.history.append(self.message(time)) for time in range(1, 6)]
        self.slow.step()
        losing.loses = "undone"
        self.slow.step()
        self.slow.step()
        ok, bad, later = appended[:2], appended[2:4], appended[4]
        for kept in ok:
            self.successResultOf(kept)
        for failing in bad:
            error = self.failureResultOf(failing, RealtimeError).value
            self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        self.assertEqual(self.successResultOf(later).createdAt, 5)
        self.history = self.makeHistory()
        self.assertEqual(self.times(), [5, 2, 1])
        self.flushLoggedErrors(InDoubt)

    def test_neverAsked(self) -> None:
        """
        If the database cannot even be asked, the messages of the batch fail.
        """
        losing = LosingDatabase(self.database)
        self.slow = SlowDatabase(losing)
        self.history = self.makeHistory(database=self.slow)
        self.history.batch = 2
        appended = [self.history.append(self.message(time)) for time in range(1, 4)]
        losing.isAway = True
        self.slow.step()
        for failing in appended[:2]:
            error = self.failureResultOf(failing, RealtimeError).value
            self.assertEqual((error.code, error.retryAfter), ("database_unavailable", 1000))
        losing.isAway = False
        self.slow.step()
        self.assertEqual(self.successResultOf(appended[2]).createdAt, 3)
        self.flushLoggedErrors(ConnectionError)

    def test_failingOn(self) -> None:
        """
        The second failure refuses all messages that wait, because they would fail too.
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
        A publisher gets the known fault of the database.
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
        A probe finds out whether messages can be kept, and leaves no message behind.
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
        L{History.flushed} waits until every appended message is kept or has failed.
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

    def test_lost(self) -> None:
        """
        Messages of a transaction without an answer are not kept, because their publishers got an
        error: they are deleted before the next message is kept, or by the next probe.
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
        Such messages are deleted once the database answers, also after several failures.
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
        A message that the database cannot store is refused alone; the others are kept.
        """
        self.history = self.makeHistory(database=self.slow)
        first = self.history.append(self.message(1))
        for character in ("\ud800", *self.dialect.forbidden):
            refused = self.history.append(self.message(2, userId=f"ann{character}"))
            error = self.failureResultOf(refused, RealtimeError).value
            self.assertEqual((error.code, error.retryAfter), ("invalid_arguments", None))
        more = self.history.append(self.message(3, userId="ann ☃"))
        self.slow.step()
        for kept in (first, more):
            self.successResultOf(kept)

    def test_manyTopics(self) -> None:
        """
        One transaction may hold messages of many topics.
        """
        self.history = self.makeHistory(database=self.slow)
        appended = [self.history.append(self.message(1, f"chat/{n}/p")) for n in range(499)]
        appended.append(self.history.append(self.message(1, "chat/0/p")))
        self.slow.step()
        times = [self.successResultOf(kept).createdAt for kept in appended]
        self.assertEqual(times, [1] * 499 + [2])

    def test_said(self) -> None:
        """
        The log says once that messages cannot be kept, and once that they can be kept again.
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
