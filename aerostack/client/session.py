"""
What is said over the line: subscriptions, publications and presence, told again on each
new connection.
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
from aerostack.wire.codec import encodeValue

STATUS, ERROR, EXHAUSTED = "status", "error", "exhausted"

SHORTEST_WAIT = 0.1
"""Seconds that are waited at the least before something refused is said again."""

History = Callable[[str, int, int | None], Deferred[list[Frame]]]
"""Reads a page of a topic's history."""


def pathOf(topic: str, projectId: str | None) -> str:
    """
    What the daemon calls a topic, without the project behind it.

    @param topic: In any of the forms that the daemon takes.
    """
    path = topic.removesuffix(f"/{projectId}") if projectId else topic
    return f"table/{topic}" if path == topic and "/" not in topic else path


@implementer(IConnectionUser)
class Session:
    """
    Keeps the daemon's idea of what the application wants up to date.

    @ivar line: The line it is held over.
    @ivar notices: Called by the names L{STATUS}, L{ERROR} and L{EXHAUSTED}.
    @ivar history: See L{History}.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        openTransport: OpenTransport,
        address: Address,
        history: History,
        maxRetries: int | None,
        queueSize: int,
    ) -> None:
        self.connection = Connection(clock, openTransport, address, self, maxRetries)
        self.notices = Callbacks()
        self.history = history
        self._clock = clock
        # By path.  Those in which nothing of the application's is live as long as it holds them.
        self._channels: dict[str, Channel] = {}
        self._known: WeakValueDictionary[str, Channel] = WeakValueDictionary()
        # Those that have something to say to the daemon.
        self._pending: dict[Channel, None] = {}
        self._pacer = Pacer()
        self._outbox = Outbox(queueSize)
        # No two clients use the same ids.
        self._name = uuid4().hex[:16]
        self._count = 0
        # Why nothing will be answered, if nothing will.
        self._over: ClientError | None = None
        # Who waits to ask for an answer, behind all that is to be said before.
        self._pings: list[Deferred[None]] = []
        # For how many reasons nothing is said for a while.
        self._pauses = 0
        self._timers: set[IDelayedCall] = set()
        # Whether a ping is under way that tells when the daemon has dealt with all before it.
        self._barrier = False

    # From the application

    def start(self) -> None:
        """
        Connect, or come back at once.
        """
        self._over = None
        self.connection.start()

    def stop(self) -> Deferred[None]:
        """
        Disconnect, and stay away.  What is subscribed and tracked is so again after
        another L{start}.
        """
        self._over = ClientError("stopped", "The client was stopped.")
        self._connectionClosed()
        self._fail(self._over)
        return self.connection.stop()

    def setToken(self, token: str) -> None:
        """
        Go on under another token.
        """
        self.connection.address = replace(self.connection.address, token=token)
        if self.connection.status == CONNECTED:
            self._authenticate()
            # If it is another user's, the daemon has ended the presence of the one before.
            for channel in self._channels.values():
                channel.retell()
            self._sayAgain()
        elif self.connection.lacksToken:
            self.start()

    def _authenticate(self) -> None:
        """Tell the daemon the token of now."""
        self.connection.send(encodeValue({"type": "auth", "token": self.connection.address.token}))

    def channel(self, topic: str, filter: Any) -> Channel:
        """
        The channel of a topic: always the same, as long as it is used.
        """
        if not isinstance(topic, str) or not topic:
            raise ValueError(f"a topic is text such as 'orders' or 'chat/general', not {topic!r}")
        encodeGiven(topic, "topic")
        path = pathOf(topic, self.connection.address.projectId)
        channel = self._known.get(path)
        if channel is None:
            channel = self._known[path] = Channel(self, topic, path, filter)
        elif filter is not None:
            channel.filter = filter
        self.touch(channel)
        return channel

    def changed(self, channel: Channel) -> None:
        """
        The application wants something else of a channel.
        """
        if self._over is not None:
            channel.fail(self._over)
        self.touch(channel)
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
        Say something in a room.
        """
        if not isinstance(roomId, str) or not isinstance(text, str):
            raise TypeError(f"a room and what is said are text, not {roomId!r} and {text!r}")
        frame = {"type": "chat", "roomId": roomId, "text": text}
        return self._enter(frame if metadata is None else {**frame, "metadata": metadata})

    def _enter(self, frame: dict[str, Any]) -> Deferred[None]:
        """Send something until it is acknowledged."""
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
        Send a ping behind everything that waits to be sent, and wait for its answer.

        @return: Fires when the answer is there.  Fails when the connection is gone.
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
        Tell the daemon what it is to be told now.
        """
        if self.connection.status != CONNECTED or self._pauses:
            return
        payload = None
        while self._pacer.left and (payload := self._next()) is not None:
            self._pacer.sent(len(payload))
            self.connection.send(payload)
        if self._pacer.left:
            # There is nothing left to be said.
            pings, self._pings = self._pings, []
            for answered in pings:
                self.connection.ping().chainDeferred(answered)
        if not self._pacer.left and not self._barrier:
            self._barrier = True
            self.connection.ping().addCallbacks(self._caughtUp, self._notCaughtUp)

    def _next(self) -> bytes | None:
        while self._pending:
            channel = next(iter(self._pending))
            payload = channel.next()
            if payload is not None:
                return payload
            del self._pending[channel]
            self.touch(channel)
        return self._outbox.next()

    def _caughtUp(self, _: None) -> None:
        """The daemon has dealt with all that it was sent."""
        self._barrier = False
        self._pacer.refill()
        self.flush()

    def _notCaughtUp(self, _: object) -> None:
        """The connection is gone, or even that came too fast."""
        self._barrier = False

    # From the line

    def statusChanged(self, status: str) -> None:
        self.notices.call(STATUS, status)

    def opened(self) -> None:
        if self.connection.outdated:
            # It came while the connection was being made.
            self._authenticate()
        self._sayAgain()

    def _sayAgain(self) -> None:
        """Look at everything for what the daemon has yet to be told."""
        self._pending = dict.fromkeys(self._channels.values())
        self.flush()

    def tooLarge(self, most: int | None) -> bool:
        limit = "limits.frame_bytes" if most is None else f"{most} bytes"
        error = ClientError("too_large", f"The daemon takes frames of at most {limit}; send less.")
        found = self._outbox.tooLarge(most, error)
        if most is not None:
            for channel in tuple(self._channels.values()):
                found = channel.tooLarge(most, error) or found
                self.touch(channel)
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
            # Nobody who was told has started it again.
            self._fail(error)

    def received(self, head: Head, frame: Frame) -> None:
        if head.type == "ack":
            self._outbox.acknowledge(head.id)
        elif head.type == "error":
            self._refused(head)
        elif head.topic is not None:
            channel = self._find(head.topic)
            if channel is not None:
                channel.received(head, frame)
                self.touch(channel)
        self.flush()

    def unreadable(self, error: ClientError, head: Head) -> None:
        channel = self._find(head.topic) if head.topic else None
        if channel is None:
            self._notice(error)
        else:
            channel.passed(error, head)

    def _find(self, topic: str) -> Channel | None:
        # Where the project is not known, it is what stands last.
        path = pathOf(topic, self.connection.address.projectId)
        return self._channels.get(path) or self._channels.get(topic.rpartition("/")[0])

    def touch(self, channel: Channel) -> None:
        """
        Look whether a channel has something to say, and is used at all.
        """
        if channel.pending:
            self._pending[channel] = None
        if channel.idle:
            self._channels.pop(channel.path, None)
        else:
            self._channels[channel.path] = channel

    def _refused(self, head: Head) -> None:
        wait = seconds(head.retryAfter)
        error = ClientError(
            head.code or "bad_answer",
            head.message or "The daemon says no, and not why.",
            None if wait is None else int(wait * 1000),
        )
        if wait is None:
            self._heed(head, error, None)
            return
        wait = max(wait, SHORTEST_WAIT)
        tooFast = error.code == "rate_limited"
        if tooFast:
            self._pacer.tooFast()
            self._pauses += 1
        self._heed(head, error, wait)
        if tooFast:
            # Last, so that what was refused is there to be said first.
            self._later(wait, self._resume)

    def _heed(self, head: Head, error: ClientError, wait: float | None) -> None:
        channel, id = self._askedAt(head), head.id
        if id is None and head.request in ("publish", "chat"):
            id = self._outbox.only
        if wait is not None:
            if self._outbox.postpone(id):
                self._later(wait, self._outbox.again, id)
                return
            if head.request == "auth":
                self._later(wait, self._authenticate)
                return
            unnamed = id is None and channel is None
            if unnamed and error.code == "rate_limited" and self.connection.pingRefused(error):
                return
        if self._outbox.refuse(id, error):
            return
        # What has an id is no answer to a subscription.
        if channel is None or id is not None:
            self._notice(error)
        elif wait is None:
            channel.refused(error, head.request)
            self.touch(channel)
        else:
            channel.postpone(head.request)
            self._later(wait, self._again, channel, head.request)

    def _askedAt(self, head: Head) -> Channel | None:
        """Find the channel that a refusal is about."""
        channel = self._find(head.topic) if head.topic else None
        if channel is None and head.request in ("subscribe", "unsubscribe"):
            # The daemon repeats the beginning of a topic that is too long, and nothing of one
            # that it cannot read.
            beginning = head.topic or ""
            asking = [
                each
                for each in self._channels.values()
                if each.asking and each.topic.startswith(beginning)
            ]
            return asking[0] if len(asking) == 1 else None
        return channel

    def _again(self, channel: Channel, request: str | None) -> None:
        channel.again(request)
        self.touch(channel)

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
        """Forget what the connection that is gone was told."""
        timers, self._timers = self._timers, set()
        for timer in timers:
            timer.cancel()
        self._pauses = 0
        pings, self._pings = self._pings, []
        for answered in pings:
            answered.errback(ClientError("unreachable", "The connection is gone."))
        self._pacer.closed()
        self._outbox.closed()
        for channel in tuple(self._channels.values()):
            channel.closed()
            self.touch(channel)

    def _fail(self, error: ClientError) -> None:
        """Let nobody wait for an answer any more."""
        self._outbox.fail(error)
        for channel in tuple(self._channels.values()):
            channel.fail(error)
