"""
Reads the kept messages of topics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.gaps import UNKNOWN
from aerostack.core.replay.publications import Kept, Publication
from aerostack.databases.dialect import Dialect
from aerostack.databases.health import RestoreNotice
from aerostack.databases.messages import (
    TooLong,
    locateNewest,
    selectEnd,
    selectNewest,
    selectPage,
    selectPast,
    surveyMessages,
)
from aerostack.databases.values import selectValues
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IKeptMessages
from aerostack.interfaces.tracking import IDatabase
from aerostack.tracker.faults import known

T = TypeVar("T")

END_CHARACTERS = 16_777_216
"""The limit of the data of a message that L{KeptMessages.findEnd} reads."""

PAGE_CHARACTERS = 4_194_304
"""The limit of a page of the history, in characters of data, about; a page always has at least
one message."""


@implementer(IKeptMessages)
class KeptMessages:
    """
    Reads messages that are in the database, and says which of them may be gone.
    """

    log = Logger()

    def __init__(
        self,
        database: IDatabase,
        dialect: Dialect,
        maxAge: float | None,
        maxCount: int | None,
        restored: RestoreNotice | None,
    ) -> None:
        """
        @param maxAge: For how many seconds a message is kept; L{None} for ever.
        @param maxCount: How many messages of a topic are kept; L{None} for all.
        @param restored: Notes that a client has seen a message that the database lacks.
        """
        self._database = database
        self._dialect = dialect
        self._restored = restored or RestoreNotice()
        self._maxAge = maxAge
        self._maxCount = maxCount
        # Messages before this time, ms, may be deleted because of their age.
        self._oldest: int | None = None
        # A client has seen a message that the database lacks.
        self._isOlder = False

    def page(self, topic: str, limit: int, before: int | None) -> Deferred[list[Kept]]:
        return self._ask(selectPage, topic, limit, before, PAGE_CHARACTERS)

    def findEnd(self, project: str, stream: str) -> Deferred[Kept | None]:
        def check(found: Kept | TooLong | None) -> Kept | None:
            if isinstance(found, TooLong):
                raise RealtimeError(
                    "too_large",
                    f"The stream {stream[:64]} has more than {END_CHARACTERS} characters; read the"
                    " history of its topic.",
                )
            return found

        reading: Deferred[Any] = self._ask(selectEnd, project, stream, END_CHARACTERS)
        return reading.addCallback(check)

    def values(self, topic: str) -> Deferred[list[Publication]]:
        """
        Read the kept values of a keyed topic.

        @param topic: The canonical topic.
        @return: Fires with the publications that brought them, the oldest first.  Fails with
            L{RealtimeError} C{database_unavailable}.
        """
        return self._ask(selectValues, topic)

    def newest(self, topics: Sequence[str]) -> Deferred[dict[str, int]]:
        return self._ask(selectNewest, topics)

    def surveyPast(
        self, topic: str, after: int, until: int, most: int, now: int, seen: bool = False
    ) -> Deferred[str | None]:
        def warn(reason: str | None) -> str | None:
            if seen and reason == UNKNOWN.reason and not self._isOlder:
                # One log entry is enough, because many clients may come back.
                self._isOlder = True
                self._restored.note(
                    "A client has seen a kept message that the database lacks: an older backup was"
                    " restored, or the message was deleted. Clients that come back from such"
                    " messages get a gap."
                )
                self.log.warn(
                    "a client has seen a kept message on {topic} that is not in the database: an"
                    " older backup was restored, or the message was deleted; clients that come"
                    " back from such messages get a gap",
                    topic=topic,
                )
            return reason

        self._growOld(now)
        return self._ask(
            surveyMessages, topic, after, until, most, self._oldest, self._maxCount, seen
        ).addCallback(warn)

    def locatePast(self, topic: str, until: int, count: int) -> Deferred[int]:
        return self._ask(locateNewest, topic, until, count)

    def readPast(
        self, topic: str, after: int, until: int, limit: int, size: int, partial: bool = False
    ) -> Deferred[list[Kept]]:
        def check(found: list[Kept] | None) -> list[Kept]:
            if found is None:
                raise RealtimeError(
                    "history_expired",
                    "Messages that you missed were forgotten while you were sent the others;"
                    " subscribe again.",
                    1000,
                )
            return found

        reading: Deferred[list[Kept] | None] = self._ask(
            selectPast,
            topic,
            after,
            until,
            limit,
            size,
            lambda: self._oldest,
            self._maxCount,
            partial,
        )
        return reading.addCallback(check)

    def _growOld(self, now: int) -> None:
        """
        Note that messages may be deleted by now because of their age.  If the clock is set back,
        they may be gone all the same.
        """
        if self._maxAge is not None:
            self._oldest = max(self._oldest or 0, now - int(self._maxAge * 1000))

    def _ask(self, question: Callable[..., T], *args: Any) -> Deferred[T]:
        def failed(failure: Failure) -> Failure:
            if known(failure.value) is None and not failure.check(*self._dialect.passing):
                return failure
            self.log.debug("kept messages cannot be read: {error}", error=failure.value)
            raise RealtimeError(
                "database_unavailable", "Kept messages cannot be read now; try again.", 1000
            )

        return self._database.run(question, self._dialect, *args).addErrback(failed)
