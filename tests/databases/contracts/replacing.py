"""
Tests of messages that replace others, for every database.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from aerostack.core.replay.publications import Kept
from aerostack.databases.history import History
from aerostack.databases.keeping import InDoubt
from aerostack.errors import RealtimeError
from tests.databases.contracts.history import ROOM, HistoryContract
from tests.databases.synchronous import LosingDatabase

OTHER = "chat/b/p"
"""A topic whose messages expire."""

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), st.just(0)),
        st.tuples(st.just("replace"), st.integers(0, 12)),
        st.tuples(st.just("expire"), st.just(0)),
    ),
    max_size=25,
)
"""Random changes of a topic: keep a message, replace the messages up to a recent one, expire."""


class ReplaceContract(HistoryContract):
    """
    Replacing messages.
    """

    assertFalse: Any

    def makeHistory(
        self, maxAge: float | None = None, maxCount: int | None = None, database: Any = None
    ) -> History:
        return History(
            database or self.database,
            self.dialect,
            maxAge,
            maxCount,
            None,
            lambda topic: topic == ROOM,
        )

    def refuse(self, replaces: int | None, topic: str = ROOM) -> str:
        """
        Give the code of the error for a message that replaces others.
        """
        message = self.message(100, topic, replaces=replaces)
        code: str = self.failureResultOf(self.history.append(message), RealtimeError).value.code
        return code

    def survey(self, after: int, seen: bool) -> str | None:
        """
        Check whether the messages after a time are complete.
        """
        return self.successResultOf(  # type: ignore[no-any-return]
            self.history.surveyPast(ROOM, after, 1000, 100, 1000, seen)
        )

    def test_replace(self) -> None:
        """
        A message takes the place of the messages up to a time, in its own topic only.
        """
        for time in (1, 2, 3, 4):
            self.keep(time)
            self.keep(time, OTHER)
        kept = self.keep(5, replaces=3)
        self.assertEqual((self.times(), self.times(OTHER)), ([5, 4], [4, 3, 2, 1]))
        page = self.successResultOf(self.history.page(ROOM, 1, None))
        self.assertEqual((page, page[0].message.replaces), ([kept], 3))
        # A snapshot that was made before that one, and comes after it.
        self.keep(6, replaces=2)
        self.assertEqual(self.times(), [6, 5, 4])

    def test_refused(self) -> None:
        """
        A message cannot replace messages that do not exist yet, and none of a topic without
        C{compact}.
        """
        self.keep(3)
        self.keep(3, OTHER)
        self.assertEqual(self.refuse(4), "invalid_arguments")
        self.assertEqual(self.refuse(10**30), "invalid_arguments")
        self.assertEqual(self.refuse(3, OTHER), "forbidden")
        self.assertEqual((self.times(), self.times(OTHER)), ([3], [3]))

    def test_noExpiry(self) -> None:
        """
        Messages on a topic with C{compact} do not expire, however old and however many they are.
        """
        for time in (1, 2, 3):
            self.keep(time)
            self.keep(time, OTHER)
        for limits in ((0.001, None), (None, 1)):
            self.history = self.makeHistory(*limits)
            while self.successResultOf(self.history.expire(10**12)):
                pass
            self.assertEqual(self.times(), [3, 2, 1])
        self.assertEqual(self.times(OTHER), [])

    def test_expiryGoesOn(self) -> None:
        """
        Messages that were kept since the last expiry expire in their turn.
        """
        self.history = self.makeHistory(1.0, None)
        for time in (1000, 2000, 3000):
            self.keep(time)
            self.keep(time, OTHER)
            while self.successResultOf(self.history.expire(time + 1001)):
                pass
            self.assertEqual(self.times(OTHER), [])
        self.assertEqual(self.times(), [3000, 2000, 1000])

    def test_full(self) -> None:
        """
        A topic with C{compact} refuses more messages than it may keep, until some are replaced.
        """
        self.history = self.makeHistory(None, 3)
        for time in (1, 2, 3):
            self.keep(time)
        self.assertEqual(self.refuse(None), "history_full")
        self.assertEqual(self.times(), [3, 2, 1])
        self.keep(4, replaces=2)
        self.keep(5)
        self.assertEqual(self.refuse(None), "history_full")
        self.assertEqual(self.times(), [5, 4, 3])
        # Parts of what replaces them find room, but not without end.
        for time in (6, 7, 8):
            self.keep(time, replaces=0)
        self.assertEqual(self.refuse(0), "history_full")
        self.assertEqual(self.refuse(2), "history_full")
        self.keep(9, replaces=5)
        self.assertEqual(self.times(), [9, 8, 7, 6])

    def test_fullTogether(self) -> None:
        """
        Of messages that come together, those for which there is room are kept.
        """
        self.history = self.makeHistory(None, 3, self.slow)
        appended = [self.history.append(self.message(time)) for time in (1, 2, 3, 4)]
        while self.slow.waiting:
            self.slow.step()
        for kept in appended[:3]:
            self.successResultOf(kept)
        error = self.failureResultOf(appended[3], RealtimeError).value
        self.assertEqual(error.code, "history_full")
        self.history = self.makeHistory()
        self.assertEqual(self.times(), [3, 2, 1])

    def test_gap(self) -> None:
        """
        A client that has missed replaced messages gets a gap; one that has seen all of them does
        not, also where the last one that it has seen was replaced.
        """
        for time in (1, 2, 3, 4):
            self.keep(time)
        self.keep(5, replaces=3)
        for seen in (True, False):
            reasons = [self.survey(after, seen) for after in (1, 2, 3, 4, 5)]
            self.assertEqual(reasons, ["expired", "expired", None, None, None])
        failing = self.history.readPast(ROOM, 2, 1000, 10, 1000)
        error = self.failureResultOf(failing, RealtimeError).value
        self.assertEqual(error.code, "history_expired")

    def test_inDoubt(self) -> None:
        """
        A message of which it is not known whether it was kept stays if it replaces others, because
        these would be lost with it.
        """
        losing = LosingDatabase(self.database)
        self.history = self.makeHistory(database=losing)
        for time in (1, 2):
            self.keep(time)
        losing.loses = "committed"
        message = self.message(3, replaces=2)
        self.failureResultOf(self.history.append(message), RealtimeError)
        self.keep(4)
        self.assertEqual(self.times(), [4, 3])
        self.flushLoggedErrors(InDoubt)

    def checkSteps(self, steps: list[tuple[str, int]]) -> None:
        """
        Compare a topic with a list of its messages, after each of some changes.
        """
        self.history = self.makeHistory(None, 30)
        topic = f"chat/a{next(self.ids)}/p"
        self.patch(self.history, "_isCompact", lambda name: name == topic)
        model: list[Kept] = []
        everything: list[Kept] = []
        for step, back in steps:
            if step == "expire":
                self.successResultOf(self.history.expire(10**12))
                continue
            until = 0
            if step == "replace" and everything:
                until = everything[-1 - min(back, len(everything) - 1)].createdAt
            kept = self.keep(1, topic, replaces=until)
            model = [each for each in model if each.createdAt > until] + [kept]
            everything.append(kept)
            wanted = [each.createdAt for each in reversed(model)]
            self.assertEqual(self.times(topic), wanted)
            for at, each in enumerate(everything):
                asked = self.history.surveyPast(topic, each.createdAt, 10**12, 100, 1, True)
                missed = everything[at + 1 :]
                isWhole = all(other in model for other in missed)
                reason = None if isWhole else "expired"
                self.assertEqual(self.successResultOf(asked), reason, (at, until))
