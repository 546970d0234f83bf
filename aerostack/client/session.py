"""
What the client sends over its connection: subscriptions, publications and presence.  It sends them
again on each later connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from msgspec import Raw
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.callbacks import Callbacks
from aerostack.client.channel import Channel
from aerostack.client.connection import CONNECTED, Connection, IConnectionUser
from aerostack.client.errors import ClientError, seconds
from aerostack.client.frames import Frame, Head
from aerostack.client.interfaces import OpenTransport
from aerostack.client.outbox import Outbox
from aerostack.client.outgoing import encodeGiven
from aerostack.client.pacing import Pacer
from aerostack.client.topic import History, ReadStream, Topic, pathOf
from aerostack.client.topics import Topics
from aerostack.protocol.codec import encodeValue

STATUS, ERROR, EXHAUSTED = "status", "error", "exhausted"

SHORTEST_WAIT = 0.1
"""The client waits at least so many seconds before it sends a refused frame again."""


@implementer(IConnectionUser)
class Session:
    """
    Tells the daemon what the application wants, and tells it again on each new connection.

    @ivar connection: The connection, which opens again by itself.
    @ivar notices: The application's callbacks by L{STATUS}, L{ERROR} and L{EXHAUSTED}.
    @ivar history: See L{History}.
    @ivar readStream: See L{ReadStream}.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        openTransport: OpenTransport,
        address: Address,
        history: History,
        readStream: ReadStream,
        maxRetries: int | None,
        queueSize: int,
    ) -> None:
        self.connection = Connection(clock, openTransport, address, self, maxRetries)
        self.notices = Callbacks()
        self.history = history
        self.readStream = readStream
        self._clock = clock
        self._topics = Topics()
        # By path, the channels that the application holds, and their topics.
        self._known: WeakValueDictionary[str, Topic] = WeakValueDictionary()
        self._channels: WeakValueDictionary[str, Channel] = WeakValueDictionary()
        self._pacer = Pacer()
        self._outbox = Outbox(queueSize)
        # Publications have ids that no other client uses.
        self._name = uuid4().hex[:16]
        self._count = 0
        # Why the client has given up, if it has.
        self._over: ClientError | None = None
        # Pings of the application that go out behind all pending frames.
        self._pings: list[Deferred[None]] = []
        # How many refusals as too fast have yet to pass before the next frame goes out.
        self._pauses = 0
        self._timers: set[IDelayedCall] = set()
        # Whether a ping of the session's own is under way: its pong shows that the daemon has
        # dealt with all frames before it.
        self._isAsking = False

    # From the application

    def start(self) -> None:
        """
        Connect.  While the connection waits to open again, connect at once.
        """
        self._over = None
        self.connection.start()

    def stop(self) -> Deferred[None]:
        """
        Disconnect, and stay disconnected.  After another L{start} the session subscribes and
        tracks again as before.
        """
        self._over = ClientError("stopped", "The client was stopped.")
        self._connectionClosed()
        self._fail(self._over)
        return self.connection.stop()

    def setToken(self, token: str) -> None:
        """
        Use another token from now on.
        """
        self.connection.address = replace(self.connection.address, token=token)
        if self.connection.status == CONNECTED:
            self._authenticate()
            for topic in self._topics:
                topic.tokenChanged()
            self._reviewTopics()
        elif self.connection.lacksToken:
            self.start()

    def _authenticate(self) -> None:
        """Send the present token."""
        self.connection.send(encodeValue({"type": "auth", "token": self.connection.address.token}))

    def channel(self, topic: str, filter: Any) -> Channel:
        """
        Give the channel of a topic.

        @return: The same channel for the same topic, as long as the application holds it.
        """
        if not isinstance(topic, str) or not topic:
            raise ValueError(f"a topic is text such as 'orders' or 'chat/general', not {topic!r}")
        encodeGiven(topic, "topic")
        path = pathOf(topic, self.connection.address.projectId)
        used = self._known.get(path)
        if used is None:
            used = self._known[path] = Topic(self, topic, path, filter)
        elif filter is not None:
            used.filter = filter
        channel = self._channels.get(path)
        if channel is None:
            channel = self._channels[path] = Channel(self, used)
        self.touch(used)
        return channel

    def changed(self, topic: Topic) -> None:
        """
        The application asked for something else of a topic.
        """
        if self._over is not None:
            topic.fail(self._over)
        self.touch(topic)
        self.flush()

    def publish(self, topic: str, event: str, data: Any, persist: bool) -> Deferred[None]:
        """
        Publish an event.
        """
        if not isinstance(event, str):
            raise TypeError(f"an event's name is text, not {event!r}")
        frame = {"type": "publish", "topic": topic, "event": event, "data": data}
        return self._enter({**frame, "persist": True} if persist else frame)

    def chat(self, roomId: str, text: str, metadata: Any) -> Deferred[None]:
        """
        Send a chat message.
        """
        if not isinstance(roomId, str) or not isinstance(text, str):
            raise TypeError(f"a room and what is said are text, not {roomId!r} and {text!r}")
        frame = {"type": "chat", "roomId": roomId, "text": text}
        return self._enter(frame if metadata is None else {**frame, "metadata": metadata})

    def cancel(self, topic: str, stream: str) -> Deferred[None]:
        """
        Cancel a stream.
        """
        return self._enter({"type": "stream_cancel", "topic": topic, "stream": stream})

    def _enter(self, frame: dict[str, Any]) -> Deferred[None]:
        """Put a frame into the outbox, which sends it until the daemon has acknowledged it."""
        self._count += 1
        id = f"{self._name}-{self._count}"
        given = {name: Raw(encodeGiven(value, name)) for name, value in frame.items()}
        payload = encodeValue({**given, "id": id})
        if self._over is not None:
            return fail(self._over)
        acknowledged = self._outbox.add(id, payload)
        self.flush()
        return acknowledged

    def ping(self) -> Deferred[None]:
        """
        Send a ping behind all pending frames.

        @return: Fires when the daemon has answered.  Fails when the connection is closed.
        """
        if self.connection.status != CONNECTED:
            return self.connection.ping()
        answered: Deferred[None] = Deferred()
        self._pings.append(answered)
        self.flush()
        return answered

    # To the daemon

    def flush(self) -> None:
        """
        Send the pending frames, as many as may go out now.
        """
        if self.connection.status != CONNECTED or self._pauses:
            return
        payload = None
        while self._pacer.left and (payload := self._next()) is not None:
            self._pacer.sent(len(payload))
            self.connection.send(payload)
        if self._pacer.left:
            # All pending frames are out.
            pings, self._pings = self._pings, []
            for answered in pings:
                self.connection.ping().chainDeferred(answered)
        if not self._pacer.left and not self._isAsking:
            self._isAsking = True
            self.connection.ping().addCallbacks(self._caughtUp, self._notCaughtUp)

    def _next(self) -> bytes | None:
        payload = self._topics.next()
        return self._outbox.next() if payload is None else payload

    def _caughtUp(self, _: None) -> None:
        """The daemon has dealt with all frames that went out."""
        self._isAsking = False
        self._pacer.refill()
        self.flush()

    def _notCaughtUp(self, _: object) -> None:
        """The connection is closed, or the ping itself came too fast."""
        self._isAsking = False

    # From the connection

    def statusChanged(self, status: str) -> None:
        self.notices.call(STATUS, status)

    def opened(self) -> None:
        if self.connection.outdated:
            # The application set the token while the connection opened.
            self._authenticate()
        self._reviewTopics()

    def _reviewTopics(self) -> None:
        """Let every topic send what the daemon does not know."""
        self._topics.review()
        self.flush()

    def tooLarge(self, most: int | None) -> bool:
        limit = "limits.frame_bytes" if most is None else f"{most} bytes"
        error = ClientError("too_large", f"The daemon takes frames of at most {limit}; send less.")
        found = self._outbox.tooLarge(most, error)
        if most is not None:
            for topic in self._topics:
                found = topic.tooLarge(most, error) or found
                self.touch(topic)
        return found

    def closed(self, error: ClientError) -> None:
        self._connectionClosed()
        self._notice(error)

    def gaveUp(self, error: ClientError, exhausted: bool) -> None:
        self._over = error
        self._connectionClosed()
        self._notice(error)
        if exhausted:
            self.notices.call(EXHAUSTED)
        if self._over is error:
            # No callback has started the client again.
            self._fail(error)

    def received(self, head: Head, frame: Frame) -> None:
        if head.type in ("ack", "stream_ack"):
            self._outbox.acknowledge(head.id)
        elif head.type == "error":
            self._refused(head)
        elif head.topic is not None:
            topic = self._find(head.topic)
            if topic is not None:
                topic.received(head, frame)
                self.touch(topic)
        self.flush()

    def unreadable(self, error: ClientError, head: Head) -> None:
        topic = self._find(head.topic) if head.topic else None
        if topic is None:
            self._notice(error)
        else:
            topic.unreadable(error, head)

    def _find(self, name: str) -> Topic | None:
        return self._topics.find(name, self.connection.address.projectId)

    def touch(self, topic: Topic) -> None:
        """
        Look again whether a topic has a frame to send, and whether it is in use.
        """
        self._topics.touch(topic)

    def _refused(self, head: Head) -> None:
        wait = seconds(head.retryAfter)
        error = ClientError(
            head.code or "bad_answer",
            head.message or "The daemon refused a frame and gave no reason.",
            None if wait is None else int(wait * 1000),
        )
        if wait is None:
            self._assign(head, error, None)
            return
        wait = max(wait, SHORTEST_WAIT)
        tooFast = error.code == "rate_limited"
        if tooFast:
            self._pacer.tooFast()
            self._pauses += 1
        self._assign(head, error, wait)
        if tooFast:
            # Last, so that the refused frame is pending again when this timer fires.
            self._later(wait, self._resume)

    def _assign(self, head: Head, error: ClientError, wait: float | None) -> None:
        """
        Give an error to the part that sent the refused frame.

        @param wait: Seconds after which that part sends it again; L{None} for never.
        """
        topic = self._topics.findRefused(head, self.connection.address.projectId)
        id = head.id
        if id is None and head.request in ("publish", "chat", "stream_cancel"):
            id = self._outbox.only
        if wait is not None:
            if self._outbox.postpone(id):
                self._later(wait, self._outbox.again, id)
                return
            if head.request == "auth":
                self._later(wait, self._authenticate)
                return
            unnamed = id is None and topic is None
            if unnamed and error.code == "rate_limited" and self.connection.pingRefused(error):
                return
        if self._outbox.refuse(id, error):
            return
        # Only publications have ids: an error with an id is not about a topic.
        if topic is None or id is not None:
            self._notice(error)
        elif wait is None:
            topic.refused(error, head.request)
            self.touch(topic)
        else:
            topic.postpone(head.request)
            self._later(wait, self._again, topic, head.request)

    def _again(self, topic: Topic, request: str | None) -> None:
        topic.again(request)
        self.touch(topic)

    def _notice(self, error: ClientError) -> None:
        if not self.notices.call(ERROR, error):
            self.log.warn("{error}", error=error)

    # Time

    def _resume(self) -> None:
        self._pauses -= 1

    def _later(self, wait: float, call: Callable[..., None], *args: Any) -> None:
        def fire() -> None:
            self._timers.discard(timer)
            call(*args)
            self.flush()

        timer = self._clock.callLater(wait, fire)
        self._timers.add(timer)

    # Ends

    def _connectionClosed(self) -> None:
        """Forget what went out on the connection, which is closed."""
        timers, self._timers = self._timers, set()
        for timer in timers:
            timer.cancel()
        self._pauses = 0
        pings, self._pings = self._pings, []
        for answered in pings:
            answered.errback(ClientError("unreachable", "The connection is closed."))
        self._pacer.closed()
        self._outbox.closed()
        for topic in self._topics:
            topic.closed()
            self.touch(topic)

    def _fail(self, error: ClientError) -> None:
        """Fail everything that waits for an answer."""
        self._outbox.fail(error)
        for topic in self._topics:
            topic.fail(error)
