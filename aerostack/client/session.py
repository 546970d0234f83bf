"""
What the client sends over its connection: subscriptions, publications and presence.  It sends them
again on each later connection.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from msgspec import Raw
from twisted.application.internet import backoffPolicy
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.callbacks import Callbacks
from aerostack.client.channel import Channel
from aerostack.client.connection import CONNECTED, IDLE, Connection, IConnectionUser
from aerostack.client.errors import ClientError, seconds
from aerostack.client.frames import Frame, Head
from aerostack.client.interfaces import OpenTransport
from aerostack.client.names import keyOf, pathOf
from aerostack.client.outbox import Outbox
from aerostack.client.outgoing import Terms, encodeGiven, requireText
from aerostack.client.patience import Patience
from aerostack.client.sending import Sending
from aerostack.client.timers import Timers
from aerostack.client.topic import Topic
from aerostack.client.topicowner import History, ReadStream
from aerostack.client.topics import Topics
from aerostack.protocol.codec import encodeValue

STATUS, ERROR, EXHAUSTED = "status", "error", "exhausted"

SHORTEST_WAIT = 0.1
"""The client waits at least so many seconds before it sends a refused frame again."""

# The longest pauses, in seconds, between two questions for a table that is missing.  Half of a
# pause is random, so that many clients do not ask at once.
_MISSING = backoffPolicy(initialDelay=2.0, maxDelay=60.0, factor=2.0, jitter=lambda: 0.0)


@implementer(IConnectionUser)
class Session:
    """
    Sends the daemon what the application wants, and sends it again on each new connection.

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
        timeout: float,
    ) -> None:
        """
        @param timeout: Seconds in which the daemon has to answer a subscription.
        """
        self.connection = Connection(clock, openTransport, address, self, maxRetries)
        self.notices = Callbacks()
        self.history = history
        self.readStream = readStream
        self._topics = Topics()
        # By L{keyOf}, the channels that the application holds, and their topics.
        self._known: WeakValueDictionary[str, Topic] = WeakValueDictionary()
        self._channels: WeakValueDictionary[str, Channel] = WeakValueDictionary()
        self._sending = Sending(self.connection, self._next)
        self._timers = Timers(clock, self._sending.flush)
        self._outbox = Outbox(queueSize)
        self._timeout = timeout
        self._patience = Patience(clock)
        # Why there is no connection, if an attempt has failed since the last one.
        self._trouble: ClientError | None = None
        # Publications have ids that no other client uses.
        self._name = uuid4().hex[:16]
        self._count = 0
        # Why the client has given up, if it has.
        self._over: ClientError | None = None

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

    def channel(self, topic: str, filter: Any, view: str = "") -> Channel:
        """
        Give the channel of a topic, or of a view of a table.

        @return: The same channel for the same topic, as long as the application holds it.
        """
        if not isinstance(topic, str) or not topic:
            raise ValueError(f"a topic is text such as 'orders' or 'chat/general', not {topic!r}")
        encodeGiven(topic, "topic")
        path = pathOf(topic, self.connection.address.projectId)
        if not isinstance(view, str):
            raise ValueError(f"a view is named by a text such as 'new', not by {view!r}")
        key = keyOf(path, view)
        used = self._known.get(key)
        if used is None:
            used = self._known[key] = Topic(self, topic, path, filter, view)
        elif filter is not None:
            used.filter = filter
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(self, used)
        self.touch(used)
        return channel

    def changed(self, topic: Topic) -> None:
        """
        The application asked for something else of a topic.
        """
        if self._over is not None:
            topic.fail(self._over)
        self.touch(topic)
        self._sending.flush()

    def publish(self, topic: str, event: str, data: Any, terms: Terms) -> Deferred[None]:
        """
        Publish an event.
        """
        requireText(event, "event")
        frame = {"type": "publish", "topic": topic, "event": event, "data": data}
        return self._enter({**frame, **terms.fields})

    def chat(self, roomId: str, text: str, metadata: Any) -> Deferred[None]:
        """
        Send a chat message.
        """
        frame = {
            "type": "chat",
            "roomId": requireText(roomId, "roomId"),
            "text": requireText(text, "text"),
        }
        return self._enter(frame if metadata is None else {**frame, "metadata": metadata})

    def cancel(self, topic: str, stream: str) -> Deferred[None]:
        """
        Cancel a stream.
        """
        return self._enter({"type": "stream_cancel", "topic": topic, "stream": stream})

    def bound(
        self, answered: Deferred[Frame], topic: str, timeout: float | None
    ) -> Deferred[Frame]:
        """
        See L{aerostack.client.topicowner.TopicOwner.bound}.
        """
        most = self._timeout if timeout is None else timeout
        if math.isinf(most):
            return answered
        return self._patience.bound(answered, most, lambda: self._lateness(topic, most))

    def _lateness(self, topic: str, seconds: float) -> ClientError:
        """The error for a subscription that is not answered."""
        url, status = self.connection.address.url, self.connection.status
        said = f"{url} has not answered the subscription to {topic} within {seconds:g} seconds"
        if status == IDLE:
            return ClientError("timed_out", f"{said}: the client was not started.")
        why = f": {self._trouble.message.rstrip('.')}" if self._trouble is not None else ""
        return ClientError("timed_out", f"{said}{why}. The client goes on asking.")

    def _enter(self, frame: dict[str, Any]) -> Deferred[None]:
        """Put a frame into the outbox, which sends it until the daemon has acknowledged it."""
        self._count += 1
        id = f"{self._name}-{self._count}"
        given = {name: Raw(encodeGiven(value, name)) for name, value in frame.items()}
        payload = encodeValue({**given, "id": id})
        if self._over is not None:
            return fail(self._over)
        acknowledged = self._outbox.add(id, payload)
        self._sending.flush()
        return acknowledged

    def ping(self) -> Deferred[None]:
        """
        Send a ping behind all pending frames.

        @return: Fires when the daemon has answered.  Fails when the connection is closed.
        """
        return self._sending.ping()

    def _next(self) -> bytes | None:
        """The next pending frame."""
        payload = self._topics.next()
        return self._outbox.next() if payload is None else payload

    # From the connection

    def statusChanged(self, status: str) -> None:
        self.notices.call(STATUS, status)

    def opened(self) -> None:
        self._trouble = None
        if self.connection.outdated:
            # The application set the token while the connection opened.
            self._authenticate()
        self._reviewTopics()

    def _reviewTopics(self) -> None:
        """Let every topic send what the daemon does not know."""
        self._topics.review()
        self._sending.flush()

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
        self._trouble = error
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
            self._refused(head, frame)
        elif head.topic is not None:
            topic = self._find(head)
            if topic is not None:
                topic.received(head, frame)
                self.touch(topic)
        self._sending.flush()

    def unreadable(self, error: ClientError, head: Head) -> None:
        topic = self._find(head)
        if topic is None:
            self._notice(error)
        else:
            topic.unreadable(error, head)

    def _find(self, head: Head) -> Topic | None:
        """Find the topic that a frame is about."""
        if not head.topic:
            return None
        return self._topics.find(head.topic, self.connection.address.projectId, head.view)

    def touch(self, topic: Topic) -> None:
        """
        Look again whether a topic has a frame to send, and whether it is in use.
        """
        self._topics.touch(topic)

    def _refused(self, head: Head, frame: Frame) -> None:
        wait = seconds(head.retryAfter)
        error = ClientError(
            head.code or "bad_answer",
            head.message or "The daemon refused a frame and gave no reason.",
            None if wait is None else int(wait * 1000),
            {name: frame[name] for name in ("pos", "data") if name in frame},
        )
        if wait is None:
            self._assign(head, error, None)
            return
        wait = max(wait, SHORTEST_WAIT)
        self._patience.heldUp(wait)
        tooFast = error.code == "rate_limited"
        if tooFast:
            self._sending.tooFast()
        self._assign(head, error, wait)
        if tooFast:
            # Last, so that the refused frame is pending again when this timer fires.
            self._timers.later(wait, self._sending.resume)

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
                self._timers.later(wait, self._outbox.again, id)
                return
            if head.request == "auth":
                self._timers.later(wait, self._authenticate)
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
            if topic.refused(error, head.request):
                pause = _MISSING(topic.misses - 1) * random.uniform(0.5, 1)
                self._timers.later(pause, self._rested, topic)
            self.touch(topic)
        else:
            topic.postpone(head.request)
            self._timers.later(wait, self._again, topic, head.request)

    def _again(self, topic: Topic, request: str | None) -> None:
        topic.again(request)
        self.touch(topic)

    def _rested(self, topic: Topic) -> None:
        topic.subscription.rested()
        self.touch(topic)

    def _notice(self, error: ClientError) -> None:
        if not self.notices.call(ERROR, error):
            self.log.warn("{error}", error=error)

    # Ends

    def _connectionClosed(self) -> None:
        """Forget what went out on the connection, which is closed."""
        self._timers.cancel()
        self._sending.closed()
        self._outbox.closed()
        for topic in self._topics:
            topic.closed()
            self.touch(topic)

    def _fail(self, error: ClientError) -> None:
        """Fail everything that waits for an answer."""
        self._outbox.fail(error)
        for topic in self._topics:
            topic.fail(error)
