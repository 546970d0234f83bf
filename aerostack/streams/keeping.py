"""
Has the ends of token streams kept in the history, and reads them there.
"""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.answers.requests import Found
from aerostack.core.replay.publications import Kept, Message, StreamMark
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IHistory
from aerostack.protocol.streams import pastData

FIRST_PAUSE = 1.0
LAST_PAUSE = 30.0
"""Seconds between two tries; each pause is twice the one before."""

FENCED = "stream_fenced"
"""The code of the error for an end that another daemon keeps."""

MAX_WAITING = 67_108_864
"""How many bytes of ends may wait for the database."""


class EndKeeper:
    """
    Tries to keep ends until the database takes them.

    @ivar wait: For how many seconds watchers wait for the database before they get an end that is
        not kept.
    @ivar unkept: How many ends went to watchers before the database had them.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, history: IHistory, wait: float = 5.0) -> None:
        self.wait = wait
        self.unkept = 0
        self._clock = clock
        self._history = history
        self._size = 0
        self._retries: dict[Message, IDelayedCall] = {}

    def keep(self, message: Message) -> Deferred[Kept | None]:
        """
        Keep an end.

        @return: Fires with what was kept; or with L{None} if the database takes too long.  The end
            is kept later then, if the database comes back while the daemon runs.  Fails with
            L{RealtimeError} L{FENCED}: another daemon has the stream.
        """
        waited: Deferred[Kept | None] = Deferred()
        timer = self._clock.callLater(self.wait, self._giveUp, waited)
        self._size += len(message.data)
        self._try(message, waited, timer, FIRST_PAUSE)
        return waited

    def _try(
        self,
        message: Message,
        waited: Deferred[Kept | None],
        timer: IDelayedCall,
        pause: float,
    ) -> None:
        self._retries.pop(message, None)
        self._history.append(message).addCallbacks(
            partial(self._kept, message, waited, timer),
            partial(self._failed, message, waited, timer, pause),
        )

    def _kept(
        self, message: Message, waited: Deferred[Kept | None], timer: IDelayedCall, kept: Kept
    ) -> None:
        self._size -= len(message.data)
        if timer.active():
            timer.cancel()
            waited.callback(kept)

    def _failed(
        self,
        message: Message,
        waited: Deferred[Kept | None],
        timer: IDelayedCall,
        pause: float,
        failure: Failure,
    ) -> None:
        error = failure.value
        if isinstance(error, RealtimeError) and error.code == FENCED:
            self._size -= len(message.data)
            if timer.active():
                timer.cancel()
                waited.errback(failure)
            return
        if not isinstance(error, RealtimeError):
            self.log.failure("the end of a stream cannot be kept", failure)
        elif error.retryAfter is not None and self._size <= MAX_WAITING:
            self._retries[message] = self._clock.callLater(
                pause, self._try, message, waited, timer, min(2 * pause, LAST_PAUSE)
            )
            return
        self._size -= len(message.data)
        if timer.active():
            timer.cancel()
            self._giveUp(waited)

    def _giveUp(self, waited: Deferred[Kept | None]) -> None:
        self.unkept += 1
        waited.callback(None)

    def read(self, project: str, stream: str) -> Deferred[Found | None]:
        """
        Read a stream from the end that the history has kept of it.

        @return: L{None} if it has none.  Fails with L{RealtimeError}.
        """
        reading: Deferred[Kept | None] = self._history.findEnd(project, stream)
        return reading.addCallback(_foundOf)

    def endOf(self, project: str, stream: str, since: int) -> Deferred[StreamMark | None]:
        """
        Read how a stream has ended, if the history has kept that after a time.

        @param since: The time, milliseconds since the epoch.
        @return: L{None} if it has not.  Fails with L{RealtimeError}.
        """
        reading: Deferred[Kept | None] = self._history.findEnd(project, stream)
        return reading.addCallback(
            lambda kept: None if kept is None or kept.createdAt < since else kept.message.stream
        )

    def stop(self) -> None:
        """
        Try no more.
        """
        for retry in self._retries.values():
            retry.cancel()
        self._retries.clear()


def _foundOf(kept: Kept | None) -> Found | None:
    if kept is None:
        return None
    message, mark = kept.message, kept.message.stream
    assert mark is not None, "it keeps the end of a stream"
    return Found(message.topic, pastData(message.topic, mark, message.data))
