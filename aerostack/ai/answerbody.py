"""
The answer of a model, as it comes over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from aerostack.errors import RealtimeError
from aerostack.protocol import sse
from aerostack.protocol.completions import CompletionReader

LINGER = 1.0
"""Seconds that a connection has after the last event for the end of the answer's body."""


def _broken() -> RealtimeError:
    return RealtimeError("model_failed", "The model broke its answer off.")


class Fault(Exception):
    """
    An attempt has failed.

    @ivar error: What the client gets if there is no other attempt.
    @ivar wait: Seconds after which another attempt may help; L{None} if it will not.
    """

    def __init__(self, said: str, error: RealtimeError, wait: float | None) -> None:
        super().__init__(said)
        self.error = error
        self.wait = wait


class AnswerBody(Protocol):
    """
    Reads the body of an answer.

    @ivar done: Fires with the L{CompletionReader} when the body is at its end, or cut off.  Fails
        with L{Fault}.
    """

    def __init__(
        self,
        reactor: Any,
        take: Callable[[CompletionReader, list[sse.ServerSentEvent]], None],
    ) -> None:
        self.done: Deferred[CompletionReader] = Deferred()
        self._reactor = reactor
        self._take = take
        self._events = sse.EventReader()
        self._completion = CompletionReader()
        self._isPaused = False
        # What comes all the same while nothing is to be read, and whether it is the last.
        self._held: list[bytes] = []
        self._isLost = False
        self._leaving: IDelayedCall | None = None

    def connectionMade(self) -> None:
        if self._isPaused:
            self.pause()

    def pause(self) -> None:
        """Read nothing for now."""
        self._isPaused = True
        if self.transport is not None:
            self.transport.pauseProducing()  # type: ignore[attr-defined]

    def resume(self) -> None:
        """Read on."""
        self._isPaused = False
        held, self._held = self._held, []
        if held:
            self.dataReceived(b"".join(held))
        if self._isPaused:
            return
        if self._isLost:
            self._end(None)
        elif self.transport is not None:
            self.transport.resumeProducing()  # type: ignore[attr-defined]

    def drop(self) -> None:
        """Close the connection."""
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.loseConnection()

    def finish(self) -> bool:
        """
        End the answer, if it is whole although its end has not come.

        @return: Whether it is.
        """
        if self._completion.isWhole:
            self._end(None)
        return self._completion.isWhole

    def dataReceived(self, data: bytes) -> None:
        if self.done.called:
            return
        if len(data) > sse.EVENT_BYTES:
            # It was compressed, and nothing that a model says compresses so well.
            self._end(Fault("it sent too much at once", _broken(), None))
            return
        if self._isPaused:
            self._held.append(data)
            return
        try:
            self._take(self._completion, self._events.feed(data))
        except sse.EventTooLarge as error:
            self._end(Fault(str(error), _broken(), None))
        except Fault as fault:
            self._end(fault)
        else:
            if self._completion.isDone and not self.done.called:
                # The connection can be used again if the body ends as well.
                if not self._isLost:
                    self._leaving = self._reactor.callLater(LINGER, self.drop)
                self.done.callback(self._completion)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.transport = None
        if self._leaving is not None and self._leaving.active():
            self._leaving.cancel()
        self._isLost = True
        if not self._isPaused:
            self._end(None)

    def _end(self, fault: Fault | None) -> None:
        self.drop()
        if self.done.called:
            return
        if fault is None:
            self.done.callback(self._completion)
        else:
            self.done.errback(fault)
