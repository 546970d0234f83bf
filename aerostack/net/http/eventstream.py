"""
Answers that are streams of server-sent events.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from aerostack.net.http.requests import BoundedRequest
from aerostack.protocol import sse

BEAT = 15.0
"""Seconds after which a quiet stream gets a comment, so that no proxy takes it for dead."""

HEADERS = {
    "content-type": sse.MEDIA_TYPE.decode(),
    # Proxies may neither keep the stream nor collect it.
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


@implementer(IPushProducer)
class EventStream:
    """
    A client that reads events.

    @ivar headers: The headers of the answer.
    @ivar hasBegun: Whether the head of the answer is out.
    @ivar isOver: Whether the stream has ended, or the client is gone.
    @ivar isFull: Whether the client reads more slowly than events are written.
    """

    def __init__(
        self,
        clock: IReactorTime,
        request: BoundedRequest,
        begun: Callable[[], object],
        left: Callable[[], object],
        filled: Callable[[], object],
        drained: Callable[[], object],
    ) -> None:
        """
        @param begun: Is called once when the head of the answer goes out.
        @param left: Is called once if the client goes before the end.
        @param filled: Is called when the client reads too slowly.
        @param drained: Is called when there is room again.
        """
        self.hasBegun = self.isOver = self.isFull = False
        self.headers = dict(HEADERS)
        self._clock = clock
        self._request = request
        self._begun = begun
        self._left = left
        self._filled = filled
        self._drained = drained
        self._beat: IDelayedCall = clock.callLater(BEAT, self._live)
        request.notifyFinish().addErrback(lambda _: self._lost())

    def begin(self) -> None:
        """
        Send the head of the answer, unless it is out.
        """
        if self.hasBegun or self.isOver:
            return
        self.hasBegun = True
        for name, value in self.headers.items():
            self._request.setHeader(name.encode(), value.encode())
        self._begun()
        # What follows may be slow, and the client waits for the head.
        self._request.write(b"")
        self._request.registerProducer(self, True)

    def write(self, events: bytes) -> None:
        """
        Send some events.
        """
        if self.isOver or not events:
            return
        self._beat.reset(BEAT)
        self._request.write(events)

    def finish(self) -> None:
        """
        End the stream.
        """
        if self.isOver:
            return
        self._stop()
        self._request.unregisterProducer()
        self._request.finish()

    def abandon(self) -> None:
        """
        Let the request be answered in another way, because the stream has not begun.
        """
        self._stop()

    def _live(self) -> None:
        self._beat = self._clock.callLater(BEAT, self._live)
        self.begin()
        if not self.isFull:
            self._request.write(sse.COMMENT)

    def _stop(self) -> None:
        self.isOver = True
        if self._beat.active():
            self._beat.cancel()

    def _lost(self) -> None:
        if not self.isOver:
            self._stop()
            self._left()

    # IPushProducer

    def pauseProducing(self) -> None:
        self.isFull = True
        self._filled()

    def resumeProducing(self) -> None:
        self.isFull = False
        self._drained()

    def stopProducing(self) -> None:
        """The client has disconnected.  The request reports that."""
