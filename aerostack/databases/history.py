"""
Keeps the messages of every topic in the database.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.publications import LASTS, Kept, Message
from aerostack.databases.dialect import Dialect
from aerostack.databases.expiry import deleteExpired
from aerostack.databases.health import RestoreNotice
from aerostack.databases.keeping import Again, InDoubt, Refused, keepMessages, tryToKeep
from aerostack.databases.keptmessages import KeptMessages
from aerostack.errors import GivenUp, RealtimeError, TakenElsewhere
from aerostack.interfaces.messaging import IHistory
from aerostack.interfaces.tracking import IDatabase
from aerostack.tracker.faults import isLost, known

T = TypeVar("T")

_Waiting = tuple[Message, Deferred[Kept]]


@implementer(IHistory)
class History(KeptMessages):
    """
    Keeps messages in the database, in the order of the calls.

    A transaction has all messages that have come when it begins, so that many publishers share
    the cost of a commit.  If the database refuses one of them, the others are kept.

    @ivar batch: How many messages a transaction has at most.
    @ivar batchBytes: How many bytes of data they have at most, or a single larger one.
    @ivar maxWaiting: How many messages may wait for the database.
    @ivar again: See L{keepMessages}; L{None} if this daemon alone keeps messages.
    @ivar failure: Why the last messages were not kept; L{None} if they were, or if L{probe} has
        found since that messages can be kept.
    """

    batch = 500
    batchBytes = 4_194_304
    maxWaiting = 10_000

    def __init__(
        self,
        database: IDatabase,
        dialect: Dialect,
        maxAge: float | None,
        maxCount: int | None,
        restored: RestoreNotice | None = None,
        isCompact: Callable[[str], bool] = lambda topic: False,
    ) -> None:
        """
        @param maxAge: For how many seconds a message is kept; L{None} for ever.
        @param maxCount: How many messages of a topic are kept; L{None} for all.
        @param restored: Notes that a client has seen a message that the database lacks.
        @param isCompact: Whether the messages of a topic do not expire, and may be replaced.
        """
        super().__init__(database, dialect, maxAge, maxCount, restored)
        self._isCompact = isCompact
        self._waiting: deque[_Waiting] = deque()
        self._writing: Deferred[None] | None = None
        # The ids of messages that the database may have kept, although their publishers got an
        # error.
        self._unkept: set[str] = set()
        # The same of emitted events, by their keys: such an event is published again, and then the
        # database says whether it is kept.
        self._doubtful: dict[str, str] = {}
        # All messages before this time, ms, that can be deleted because of their age, were.
        self._expired = 0
        # How many messages were not kept since the last one that was.
        self._failed = 0
        # The description of the failure in the log.
        self._said: str | None = None
        # The kinds of errors by which the database refused single messages.
        self._refusals: set[type[Exception]] = set()
        self.failure: BaseException | None = None
        self.again: Again | None = None
        # Topics that may hold too many messages; None if any topic may.
        self._grown: set[str] | None = None

    def append(self, message: Message) -> Deferred[Kept]:
        if len(self._waiting) >= self.maxWaiting:
            return fail(
                RealtimeError("database_unavailable", "Too much waits for the database.", 1000)
            )
        if not _storable(message.userId or "", self._dialect.forbidden):
            return fail(
                RealtimeError("invalid_arguments", "The user's id cannot be kept in the database.")
            )
        if self._isCompact(message.topic):
            if message.replaces is None:
                message = replace(message, replaces=LASTS)
        elif message.replaces is not None:
            return fail(
                RealtimeError(
                    "forbidden",
                    "The kept messages of this topic cannot be replaced; compact in [topics] allows"
                    " it.",
                )
            )
        kept: Deferred[Kept] = Deferred()
        self._waiting.append((message, kept))
        if self._writing is None:
            self._write()
        return kept

    def _write(self) -> None:
        batch: list[_Waiting] = []
        unkept, doubtful = tuple(self._unkept), dict(self._doubtful)

        def write(cursor: Any) -> list[Kept | Refused]:
            # This runs on another thread.  Its transaction has what has come until it runs.
            self._take(batch)
            messages = [message for message, _ in batch]
            return keepMessages(
                cursor, self._dialect, messages, unkept, self.again, self._maxCount, doubtful
            )

        def done(result: list[Kept | Refused]) -> None:
            self._unkept.difference_update(unkept)
            if not all(isinstance(each, Refused) for each in result):
                self._worked()
            for (message, waiting), kept in zip(batch, result, strict=True):
                if message.emitted is not None:
                    self._doubtful.pop(message.emitted.key, None)
                if isinstance(kept, Refused):
                    waiting.errback(self._refuse(message, kept.error))
                    continue
                if self._grown is not None:
                    self._grown.add(message.topic)
                waiting.callback(kept)

        def failed(failure: Failure) -> None:
            if not batch:
                # The database was never asked.
                self._take(batch)
            if failure.check(InDoubt):
                for message, _ in batch:
                    if message.emitted is not None:
                        self._doubtful[message.emitted.key] = message.id
                    elif not message.isReplacing:
                        # The messages that a replacing one replaces would be lost with it.
                        self._unkept.add(message.id)
            self._fail(failure, batch)

        self._go(self._database.run(write).addCallbacks(done, failed))

    def _take(self, batch: list[_Waiting]) -> None:
        """Take the messages of the next transaction from those that wait."""
        size = 0
        while self._waiting and len(batch) < self.batch:
            size += len(self._waiting[0][0].data)
            if batch and size > self.batchBytes:
                return
            batch.append(self._waiting.popleft())

    def _refuse(self, message: Message, error: Exception) -> RealtimeError | TakenElsewhere:
        """Make the error for the publisher of a message that was refused."""
        if isinstance(error, (RealtimeError, TakenElsewhere)):
            return error
        if type(error) not in self._refusals:
            # One log entry is enough, although a client may send the same again and again.
            self._refusals.add(type(error))
            self.log.warn(
                "the database refuses a message on {topic}: {error}",
                topic=message.topic,
                error=error,
            )
        return RealtimeError(
            "invalid_arguments",
            "The database does not take this message; the daemon's log says why.",
        )

    def _go(self, work: Deferred[None]) -> None:
        """Write the next messages only after some work is done."""

        def next(_: None) -> None:
            self._writing = None
            if self._waiting:
                self._write()
            finished.callback(None)

        finished = self._writing = Deferred()
        work.addCallback(next)

    def _worked(self) -> None:
        if self.failure is not None and not isLost(self.failure):
            self.log.info("messages can be kept again; {n} were not", n=self._failed)
        self._failed = 0
        self.failure = None

    def _fail(self, failure: Failure, batch: list[_Waiting]) -> None:
        """Refuse the messages that were to be kept."""
        if self.failure is not None:
            # The waiting messages would only fail in the same way.
            batch = [*batch, *self._waiting]
            self._waiting.clear()
        else:
            # Emitted events are published again in their order, so those behind fail with them.
            batch = [*batch, *(each for each in self._waiting if each[0].emitted is not None)]
            self._waiting = deque(each for each in self._waiting if each[0].emitted is None)
        said = known(failure.value)
        # One log entry is enough, although many clients may publish meanwhile.
        isNew = self.failure is None or said != self._said
        if isNew and not failure.check(GivenUp):
            self.log.failure("messages cannot be kept; trying again", failure)
        self._said = said
        self._failed += len(batch)
        self.failure = failure.value
        message = "The message could not be kept; send it again."
        if said is not None:
            message = f"{message} The database {said}."
        for _, kept in batch:
            kept.errback(RealtimeError("database_unavailable", message, 1000))

    def probe(self) -> Deferred[None]:
        """
        Find out whether messages can be kept, unless some are being written; L{failure} has the
        result.
        """
        if self._writing is not None:
            return self._writing
        unkept = tuple(self._unkept)

        def done(_: None) -> None:
            self._unkept.difference_update(unkept)
            self._worked()

        isThorough = self.failure is not None
        trying = self._database.run(tryToKeep, self._dialect, unkept, isThorough)
        self._go(trying.addCallbacks(done, lambda failure: self._fail(failure, [])))
        return self._writing or succeed(None)

    def flushed(self) -> Deferred[None]:
        """
        Wait until every appended message is kept or has failed.
        """
        if self._writing is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()

        def again(_: None) -> None:
            self.flushed().chainDeferred(waiting)

        self._writing.addCallback(again)
        return waiting

    def expire(self, now: int) -> Deferred[int]:
        """
        Delete messages that are too old, or too many for their topic, in one small step.

        @param now: Milliseconds since the epoch.
        @return: How many messages were deleted; call again while it is not 0.
        """
        grown = self._grown
        self._grown = set()
        self._growOld(now)
        oldest = None if self._maxAge is None else now - int(self._maxAge * 1000)
        # Messages that do not expire are not looked at again in each step.
        since = self._expired if oldest is None else min(self._expired, oldest)
        step = self._database.run(
            deleteExpired,
            self._dialect,
            oldest,
            self._maxCount,
            grown,
            self.batch,
            since,
            self._isCompact,
        )

        def done(result: tuple[int, set[str]]) -> int:
            deleted, unfinished = result
            assert self._grown is not None
            self._grown |= unfinished
            if oldest is not None and not deleted:
                self._expired = oldest
            return deleted

        def failed(failure: Failure) -> int:
            if self.failure is None:
                # Otherwise clients already know that messages cannot be kept.
                failure.trap(*self._dialect.passing, GivenUp)
            # Another program has locked the database, or it does not answer; the next step tries
            # again.
            self._grown = None if grown is None or self._grown is None else self._grown | grown
            return 0

        return step.addCallbacks(done, failed)


def _storable(text: str, forbidden: str) -> bool:
    """Whether a text can be stored; no database stores a lone surrogate."""
    if text.isprintable():
        # It has neither a surrogate nor a control character.
        return True
    return text.encode("utf-8", "replace").decode() == text and not set(text) & set(forbidden)
