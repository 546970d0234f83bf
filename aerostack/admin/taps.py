"""
Shows the frames of a topic to an operator.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, inlineCallbacks
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.limits.quotas import RETRY_AFTER
from aerostack.core.rows.views import View
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.interfaces.messaging import ISubscriber
from aerostack.protocol.clientframes import Subscribe
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.framing import Frame, payloadOf
from aerostack.tables.feed import TableFeed

QUEUE = 1_048_576
"""How many bytes wait for an operator who reads slowly."""

MOST = 50
"""How many taps may be open at a time."""


class Reader(Protocol):
    """
    Takes the lines for an operator.
    """

    def write(self, line: bytes) -> None:
        """Take a line; it may call L{Tap.pause}."""

    def finish(self) -> None:
        """End the output."""


@implementer(ISubscriber)
class Tap:
    """
    Writes the frames of a topic to an operator, each as a line of JSON, as fast as the operator
    reads them.

    Frames that do not fit into a bounded queue are left out, and a line says how many.

    @ivar identity: The operator, whose rights the tap has.
    @ivar topic: The topic that the tap shows.
    """

    def __init__(self, identity: Identity, topic: Topic, reader: Reader) -> None:
        self.identity = identity
        self.topic = topic
        self._reader = reader
        self._paused = False
        self._queue: deque[bytes] = deque()
        self._queued = 0
        # How many frames were left out after the last one in the queue.
        self._skipped = 0
        self._reauthorize: Any = None

    def start(self, reauthorize: Any) -> None:
        """
        Begin with a line that names the topic.

        @param reauthorize: Is called when the operator's rights or the table may have changed.
        """
        self._reauthorize = reauthorize
        self.say({"type": "watching", "topic": self.topic.canonical})

    def deliver(self, frame: Frame) -> None:
        for part in frame.parts:
            # The data of a client may have line breaks, but only between JSON values.
            self._line(payloadOf(part).replace(b"\n", b" ").replace(b"\r", b" ") + b"\n")

    def reauthorize(self, topic: str | None = None) -> None:
        if self._reauthorize is not None and topic in (None, self.topic.canonical):
            self._reauthorize()

    def say(self, value: Any) -> None:
        """
        Write a line of the tap's own.
        """
        self._line(encodeValue(value) + b"\n")

    def beat(self) -> None:
        """
        Write a sign of life, unless other lines still wait for the operator.
        """
        if not self._paused:
            self.say({"type": "ping"})

    def finish(self) -> None:
        """
        End the tap from our side, after the lines in the queue.
        """
        while self._queue:
            self._reader.write(self._queue.popleft())
        self._reader.finish()

    def _line(self, line: bytes) -> None:
        if not self._paused:
            self._reader.write(line)
        elif self._skipped or self._queued + len(line) > QUEUE:
            self._skipped += 1
        else:
            self._queue.append(line)
            self._queued += len(line)

    def pause(self) -> None:
        """Stop writing: the operator's connection is full."""
        self._paused = True

    def resume(self) -> None:
        """Go on writing: the operator's connection has room again."""
        self._paused = False
        while self._queue and not self._paused:
            line = self._queue.popleft()
            self._queued -= len(line)
            self._reader.write(line)
        if self._skipped and not self._paused:
            skipped, self._skipped = self._skipped, 0
            self.say({"type": "skipped", "count": skipped})


class Taps(Service):
    """
    All open taps.

    @cvar interval: Seconds between two signs of life.
    """

    log = Logger()
    interval = 15.0

    def __init__(self, clock: IReactorTime, hub: Hub, feeds: TableFeed) -> None:
        self._hub = hub
        self._feeds = feeds
        # Taps that have not begun yet are not subscribed.
        self._taps: dict[Tap, None] = {}
        self._beating = LoopingCall(self._beat)
        self._beating.clock = clock

    def startService(self) -> None:
        super().startService()
        self._beating.start(self.interval, now=False)

    def stopService(self) -> None:
        super().stopService()
        if self._beating.running:
            self._beating.stop()
        self.endAll()

    def __len__(self) -> int:
        return len(self._taps)

    def count(self, canonical: str) -> int:
        """
        How many taps a topic has.
        """
        return sum(tap.topic.canonical == canonical for tap in self._taps)

    def open(self, tap: Tap) -> Deferred[None]:
        """
        Open a tap.

        @return: Fires when the tap has begun.  Fails with L{RealtimeError} if it may not.
        """
        if len(self._taps) >= MOST:
            return fail(
                RealtimeError(
                    "too_many_subscriptions",
                    f"At most {MOST} can watch topics at a time; end another.",
                    RETRY_AFTER,
                )
            )
        self._taps[tap] = None

        def failed(failure: Failure) -> Failure:
            self.leave(tap)
            return failure

        begun: Deferred[None] = self._begin(tap)
        return begun.addErrback(failed)

    @inlineCallbacks
    def _begin(self, tap: Tap) -> Any:
        topic = tap.topic
        # An operator without rights must not make the daemon follow a table.
        self._feeds.permit(tap.identity, Action.SUBSCRIBE, topic)
        attaching = self._hub.attachments.attach(topic.canonical)
        if attaching is not None:
            yield attaching
        try:
            if topic.table is None:
                self._start(tap, None)
            else:
                yield self._beginTable(tap)
        finally:
            if not self._isHere(tap):
                # The tap has ended meanwhile, or may not begin.
                self._hub.attachments.release(topic.canonical)

    @inlineCallbacks
    def _beginTable(self, tap: Tap) -> Any:
        topic = tap.topic
        assert topic.table is not None
        yield self._feeds.watch(topic.table)
        try:
            view = yield self._view(tap)
        except BaseException:
            self._feeds.unwatch(topic.table)
            raise
        if tap not in self._taps:
            # The tap has ended meanwhile.
            self._feeds.unwatch(topic.table)
            return
        # The changes need positions, even if the topic has no other subscriber.
        self._feeds.openLog(topic)
        self._start(tap, view)
        self._feeds.sendFeedStatus(tap, topic)

    def _start(self, tap: Tap, view: View | None) -> None:
        if tap not in self._taps:
            # The tap has ended meanwhile.
            return
        self._hub.subscribe(tap, tap.topic, view)
        tap.start(None if tap.topic.table is None else partial(self._reauthorize, tap))
        self._hub.outage.send(tap, tap.topic)

    @inlineCallbacks
    def _view(self, tap: Tap) -> Any:
        """Make the view of a table for an operator, which leaves hidden columns out as well."""
        topic = tap.topic
        assert topic.table is not None
        grant = self._feeds.grant(tap.identity, topic)
        columns = {} if grant.isWhole else (yield self._feeds.columns(topic.table))
        return self._feeds.view(grant, Subscribe(topic=topic.canonical), columns)

    def _reauthorize(self, tap: Tap) -> None:
        """Go on with the operator's present rights."""

        def judged(view: View | None) -> None:
            if self._isHere(tap):
                self._feeds.change(tap, tap.topic, view)

        def failed(failure: Failure) -> None:
            if not self._isHere(tap):
                return
            error = failure.value
            if not isinstance(error, RealtimeError):
                self.log.failure("the view of a watched table cannot be made", failure)
                error = RealtimeError("internal_error", "The daemon failed; its log says how.")
            self._refuse(tap, error)

        viewing: Deferred[View | None] = self._view(tap)
        viewing.addCallback(judged).addErrback(failed)

    def _refuse(self, tap: Tap, error: RealtimeError) -> None:
        """Send an error and end the tap."""
        tap.say({"type": "error", "code": error.code, "message": error.message})
        self.end(tap)

    def _isHere(self, tap: Tap) -> bool:
        return tap in self._hub.registry.subscribers(tap.topic.canonical)

    def reauthorize(self, holds: Callable[[Identity], None]) -> None:
        """
        Check what every operator may see now.

        @param holds: Raises L{RealtimeError} for an identity whose credentials hold no longer.
        """
        for tap in tuple(self._taps):
            try:
                holds(tap.identity)
            except RealtimeError as error:
                self._refuse(tap, error)
            else:
                tap.reauthorize()

    def leave(self, tap: Tap) -> None:
        """
        Forget a tap.
        """
        self._taps.pop(tap, None)
        if self._hub.unsubscribe(tap, tap.topic):
            self._hub.attachments.release(tap.topic.canonical)
            if tap.topic.table is not None:
                self._feeds.unwatch(tap.topic.table)

    def end(self, tap: Tap) -> None:
        """
        End a tap from our side.
        """
        self.leave(tap)
        tap.finish()

    def endAll(self) -> None:
        """
        End all taps.
        """
        for tap in tuple(self._taps):
            self.end(tap)

    def _beat(self) -> None:
        for tap in tuple(self._taps):
            if self._isHere(tap):
                tap.beat()
