"""
Tests of reading past messages, for every database.
"""

from __future__ import annotations

from twisted.logger import capturedLogs

from aerostack.core.replay.publications import Kept
from aerostack.databases import repeatable
from aerostack.errors import RealtimeError
from tests.databases.contracts.history import ROOM, HistoryContract


class PastContract(HistoryContract):
    """
    Reading past messages.
    """

    def survey(
        self, after: int, until: int, most: int = 100, topic: str = ROOM, seen: bool = False
    ) -> str | None:
        """
        Check whether the past messages are complete.
        """
        asked = self.history.surveyPast(topic, after, until, most, 1000, seen)
        return self.successResultOf(asked)  # type: ignore[no-any-return]

    def test_read(self) -> None:
        """
        Messages between two times are read oldest first, without the first time, up to a limit.
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
        A read is also bounded by the length of the data, but gets at least one message.
        """
        kept = [self.keep(time, data=b'"%s"' % (b"x" * 98)) for time in (1, 2, 3, 4)]
        for size, most in ((1, 1), (100, 1), (101, 2), (300, 3), (1000, 4)):
            read = self.successResultOf(self.history.readPast(ROOM, 0, 9, 9, size))
            self.assertEqual(read, kept[:most])

    def test_forgottenBetween(self) -> None:
        """
        Messages that are deleted between the survey and the read, or between two reads, make the
        read fail instead of leaving a hole.
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

    def test_partial(self) -> None:
        """
        A read that may lack messages gets those that are left.
        """
        self.history = self.makeHistory(0.5)
        for time in (997, 998, 999, 1000):
            self.keep(time)
        while self.successResultOf(self.history.expire(1499)):
            pass
        read = self.history.readPast(ROOM, 996, 1000, 9, 1000, True)
        self.assertEqual([each.createdAt for each in self.successResultOf(read)], [999, 1000])

    def test_locate(self) -> None:
        """
        The newest messages up to a time begin behind the time that is given.
        """
        for time in (1, 3, 5, 7):
            self.keep(time)
        self.keep(2, "chat/b/p")
        for until, count, after in ((9, 2, 4), (6, 2, 2), (7, 4, 0), (7, 9, 0), (2, 1, 0)):
            located = self.history.locatePast(ROOM, until, count)
            self.assertEqual(self.successResultOf(located), after)
            read = self.history.readPast(ROOM, after, until, 9, 1000)
            self.assertLessEqual(len(self.successResultOf(read)), count)
        self.assertEqual(self.successResultOf(self.history.locatePast(ROOM, 0, 3)), 0)
        self.assertEqual(self.successResultOf(self.history.locatePast("chat/c/p", 9, 3)), 9)

    def test_setBack(self) -> None:
        """
        Messages that were deleted while the clock was ahead are still missing after it is set
        back.
        """
        self.history = self.makeHistory(0.5)
        for time in (900, 901):
            self.keep(time)
        self.successResultOf(self.history.expire(5000))
        self.keep(950)
        self.assertEqual(self.survey(899, 950), "expired")

    def test_stillThere(self) -> None:
        """
        Messages that may be deleted but still exist are no gap.
        """
        self.history = self.makeHistory(0.5)
        for time in (100, 200):
            self.keep(time)
        self.assertIsNone(self.survey(100, 200))

    def test_there(self) -> None:
        """
        A complete past has no gap, also an empty one.
        """
        for time in (1, 2, 3):
            self.keep(time)
        for after, until in ((0, 3), (1, 3), (3, 3), (3, 9)):
            self.assertIsNone(self.survey(after, until))

    def test_tooMuch(self) -> None:
        """
        More messages than may be sent again are a gap.
        """
        for time in (1, 2, 3):
            self.keep(time)
        self.assertIsNone(self.survey(0, 3, most=3))
        self.assertEqual(self.survey(0, 3, most=2), "limit")
        self.assertIsNone(self.survey(0, 2, most=2))

    def test_tooOld(self) -> None:
        """
        Messages that may have been deleted, because of their age or their number, are a gap.
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
        A topic without messages does not know a position.
        """
        self.keep(1)
        self.assertEqual(self.survey(1, 5, topic="chat/b/p"), "unknown")

    def test_olderDatabase(self) -> None:
        """
        If a client has seen a message that is missing but was not deleted, the database is an
        older one.  The log says so once.
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
        A message that a client has seen and that was deleted is no sign of an older database.
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
        Without the table of the messages, a read fails because the database cannot be used.
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
        self.patch(repeatable, "PORTION", 3)
        self.patch(repeatable, "PORTION_CHARACTERS", 3_000)
        sizes = (1, 1, 1, 1, 2_000, 900, 200, 9_000, 1)
        kept = [
            self.keep(time, f"chat/{time % 2}/p", data=b'"%s"' % (b"x" * size), publishId="1")
            for time, size in enumerate(sizes, 1)
        ]
        asked: list[int] = []
        portions = repeatable._portions
        self.patch(
            repeatable,
            "_portions",
            lambda rows: (asked.append(len(part) // 2) or part for part in portions(rows)),
        )
        self.assertEqual(self.find(0, 100), (9, kept))
        self.assertEqual(asked, [3, 3, 1, 1, 1])
