"""
Sends a watched stream to a client.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.server import NOT_DONE_YET

from aerostack.core.access.permissions import Identity
from aerostack.core.answers.answer import DONE
from aerostack.errors import RealtimeError
from aerostack.net.http.eventstream import EventStream
from aerostack.net.http.formats import Format, brokenOff
from aerostack.net.http.requests import BoundedRequest
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.completions import CompletionWriter
from aerostack.sessions.longrequests import LongRequests
from aerostack.streams.following import Watch

PIECE = 65_536
"""How many characters are sent at once, about."""


class Pump:
    """
    Takes a stream as fast as its client reads it.

    A client that goes away, or that reads nothing, is no reason for a stream to end.
    """

    def __init__(
        self,
        requests: LongRequests,
        identity: Identity,
        request: BoundedRequest,
        format: Format,
    ) -> None:
        """
        @param identity: Who the client is, whose credentials were verified in this turn.
        """
        self._format = format
        self._refused: RealtimeError | None = None
        self._watch: Watch | None = None
        self._isWriting = self._hasBegun = False
        self._restarts = 0
        self._stream = EventStream(
            requests.clock, request, _nothing, self._leave, _nothing, self.changed
        )
        self._admitted = requests.enter(identity, self._refuse)
        self._stream.headers |= format.headers

    @property
    def isOver(self) -> bool:
        """Whether the client has gone."""
        return self._stream.isOver

    def start(self, watch: Watch, **headers: str) -> Any:
        """
        Begin to send.

        @param headers: More headers of the answer.
        @return: L{NOT_DONE_YET}.
        @raise RealtimeError: The client's rights have ended meanwhile.
        """
        self._watch = watch
        self._admitted.check = watch.check
        if self._refused is not None and not self._stream.hasBegun:
            self.abandon()
            raise self._refused
        if self._stream.isOver:
            self._leave()
            return NOT_DONE_YET
        self._stream.headers |= {name.replace("_", "-"): each for name, each in headers.items()}
        self._stream.begin()
        if self._refused is None:
            self.changed()
        else:
            self._fail(self._refused)
        return NOT_DONE_YET

    def abandon(self) -> None:
        """
        Let the request be answered in another way.
        """
        self._stream.abandon()
        self._leave()

    def changed(self) -> None:
        """
        Send what there is.
        """
        if self._watch is None or self._isWriting:
            return
        self._isWriting = True
        try:
            self._write(self._watch)
        finally:
            self._isWriting = False

    def _write(self, watch: Watch) -> None:
        stream = self._stream
        while not stream.isFull and not stream.isOver:
            try:
                growths = watch.take(PIECE)
                self._begin(watch, bool(growths))
            except RealtimeError as error:
                self._fail(error)
                return
            if not growths:
                break
            stream.write(self._format.write(growths, watch.place))
        end = watch.end
        if end is not None and not stream.isOver:
            stream.write(self._format.end(end))
            self._finish()

    def _refuse(self, error: RealtimeError) -> None:
        """Send no more, because the client's rights have ended."""
        self._refused = error
        if self._watch is not None:
            self._fail(error)

    def _fail(self, error: RealtimeError) -> None:
        self._stream.write(self._format.fail(error))
        self._finish()

    def _begin(self, watch: Watch, hasGrown: bool) -> None:
        """Write what comes before a stream, if it begins here, or begins again."""
        isAgain, self._restarts = watch.restarts != self._restarts, watch.restarts
        if self._hasBegun and isAgain:
            self._stream.write(self._format.restart(watch))
        elif not self._hasBegun and (hasGrown or watch.head):
            self._hasBegun = True
            self._stream.write(self._format.begin(watch, watch.isNew or isAgain))

    def _finish(self) -> None:
        self._stream.finish()
        self._leave()

    def _leave(self) -> None:
        self._admitted.leave()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.leave()


class Collector:
    """
    Collects a stream for a client that wants it whole.
    """

    def __init__(
        self,
        requests: LongRequests,
        identity: Identity,
        request: BoundedRequest,
        writer: CompletionWriter,
    ) -> None:
        """
        @param identity: Who the client is, whose credentials were verified in this turn.
        """
        self._request = request
        self._writer = writer
        self._watch: Watch | None = None
        self._done: Deferred[tuple[int, Any]] = Deferred()
        self._isGone = False
        self._refused: RealtimeError | None = None
        self._admitted = requests.enter(identity, self._refuse)
        self._restarts = 0
        request.notifyFinish().addErrback(lambda _: self._lost())

    def start(self, watch: Watch, **headers: str) -> Deferred[tuple[int, Any]]:
        """
        Begin to collect.

        @param headers: More headers of the answer.
        @return: The status and the body, once the stream has ended.
        @raise RealtimeError: The client's rights have ended meanwhile.
        """
        if self._refused is not None:
            watch.leave()
            raise self._refused
        for name, value in headers.items():
            self._request.setHeader(name.replace("_", "-").encode(), value.encode())
        self._watch = watch
        self._admitted.check = watch.check
        if self._isGone:
            self._leave()
        self.changed()
        return self._done

    def abandon(self) -> None:
        """
        Let the request be answered in another way.
        """
        self._leave()

    def changed(self) -> None:
        """
        Take what there is.
        """
        watch = self._watch
        if watch is None:
            return
        try:
            while growths := watch.take(PIECE):
                if watch.restarts != self._restarts:
                    self._restarts = watch.restarts
                    self._writer.reset()
                for growth in growths:
                    self._writer.write(growth)
        except RealtimeError as error:
            self._leave()
            self._done.errback(error)
            return
        end = watch.end
        if end is None:
            return
        self._leave()
        if end.state != DONE:
            self._done.errback(brokenOff(end))
            return
        usage = end.data.get("usage")
        encoded = None if usage is None else encodeValue(usage)
        self._done.callback((200, self._writer.whole(end.reason, encoded)))

    def _refuse(self, error: RealtimeError) -> None:
        """Collect no more, because the client's rights have ended."""
        self._refused = error
        if self._watch is not None:
            self._leave()
            self._done.errback(error)

    def _lost(self) -> None:
        self._isGone = True
        self._leave()

    def _leave(self) -> None:
        self._admitted.leave()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.leave()


def _nothing() -> None:
    """Nothing has to be done."""
