"""
One client's connection over server-sent events.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.access.permissions import Identity
from aerostack.core.topics.topics import parseTopic
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IConnection
from aerostack.interfaces.shares import IPlace
from aerostack.net.http.eventstream import EventStream
from aerostack.net.http.requests import BoundedRequest
from aerostack.net.intake import Intake
from aerostack.net.sse.inbox import Inbox, ended
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.eventids import EventIds, Resumed, keyIn
from aerostack.protocol.events import EventEncoder
from aerostack.protocol.framing import Frame
from aerostack.protocol.serverframes import Closed, Opened
from aerostack.sessions.session import Session
from aerostack.settings.limits import LimitsConfig

LINGER = 1.0
"""Seconds in which a client whose connection broke can say that it leaves.  A page that goes breaks
its connection, and its last request may come behind that."""

CODES = range(1000, 5000)
"""The codes with which a client may say that it leaves, as over a WebSocket (RFC 6455, 7.4.2)."""

LONGEST = 123
"""How many bytes the reason has that a client gives, as over a WebSocket (RFC 6455, 5.5).  The
daemon remembers the reasons of many connections."""

PING = b": ping\n\n"
"""A comment that a client answers that has said so, with a request that may have no frame."""


class Owner(Protocol):
    """
    The owner of all connections; see L{aerostack.net.websocket.connections.Connections}.
    """

    intake: Intake

    def opened(self, connection: Any, identity: Identity) -> Session:
        """Note that a connection has opened; return its session."""

    def gone(self, connection: Any) -> None:
        """Note that a connection has ended."""


@dataclass(frozen=True)
class EventParts:
    """
    What all connections share.

    @ivar encoder: Makes events of frames.
    @ivar projects: Gives the ids of all projects.
    @ivar newSecret: Makes the secret of a session's name, by the id of its connection; each call
        gives another.
    """

    clock: IReactorTime
    owner: Owner
    encoder: EventEncoder
    projects: Callable[[], Any]
    newSecret: Callable[[str], str]


class _Head(msgspec.Struct, frozen=True):
    type: str = ""
    topic: str = ""
    code: int | None = None
    reason: str = ""


_heads = msgspec.json.Decoder(_Head)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


@implementer(IConnection)
class EventConnection:
    """
    A client that reads events, and sends its frames in requests of their own.

    @ivar address: The address under which the connection is counted; L{None} if it is not.
    @ivar place: The place that was taken for the connection.
    @ivar makeSession: The session is as most clients have.
    @ivar secret: The part of the session's name that is behind the id.
    @ivar origin: The page that opened the connection, by its browser.
    """

    logger = Logger()
    compressed = False
    kind = "sse"
    makeSession: Callable[[IConnection, Identity], Session] | None = None

    def __init__(
        self,
        parts: EventParts,
        connectionId: str,
        client: str | None,
        address: str | None,
        place: IPlace,
        origin: str | None,
    ) -> None:
        """
        @param client: A hash of the client's session secret; L{None} if the client sent none.
        """
        self.connectionId = connectionId
        self.client = client
        self.address = address
        self.place = place
        self.origin = origin
        self.secret = parts.newSecret(connectionId)
        self._parts = parts
        self._session: Session | None = None
        self._ids: EventIds | None = None
        self._resumed: dict[str, str] = {}
        self._isOver = False
        # Ends the session of a connection that has broken.
        self._lingering: IDelayedCall | None = None

    @property
    def name(self) -> str:
        """The name of the session, which is a secret of the client."""
        return f"{self.connectionId}.{self.secret}"

    @property
    def project(self) -> str | None:
        """The client's project; L{None} if the connection has ended."""
        return None if self._session is None else self._session.identity.project

    def open(
        self,
        request: BoundedRequest,
        identity: Identity,
        limits: LimitsConfig,
        hasIds: bool,
        pongs: bool,
        left: Callable[[], object],
    ) -> None:
        """
        Begin the answer.

        @param hasIds: Whether the client wants ids of events.
        @param pongs: Whether the client answers pings.
        @param left: Called once when the connection has ended.
        """
        self._request = request
        self._limits = limits
        self._pongs = pongs
        self._left = left
        self._ids = EventIds() if hasIds else None
        self._inbox = Inbox(self._parts.owner.intake, limits.bodyBytes, self._receive, self._failed)
        self._session = self._parts.owner.opened(self, identity)
        self._stream = EventStream(
            self._parts.clock, request, _nothing, self._lost, self._congested, self._drained
        )
        _endUnheard(request, limits.pingInterval + limits.pongTimeout)
        # It is not one of the connections that wait for a request, and has a place of its own.
        request.channel.site.lobby.leave(request.channel)
        self._stream.begin()
        self.send(wireFrame(Opened(self.name)))

    # From the client

    def resume(self, resumed: Sequence[Resumed], frames: Sequence[bytes], isComplete: bool) -> None:
        """
        Take the frames that came with the opening, and go on with the subscriptions that the
        client had.

        The answer has begun, so an error ends the connection.

        @param resumed: What the id of the last event says.
        @param isComplete: Whether these are all of the subscriptions.
        """
        try:
            self._resume(resumed, frames, isComplete)
        except Exception:
            # The answer has begun and cannot carry the error, so the connection ends instead.
            self._failed(Failure())

    def _resume(
        self, resumed: Sequence[Resumed], frames: Sequence[bytes], isComplete: bool
    ) -> None:
        session = self._session
        if session is None:
            return
        named = {key for frame in frames if (key := self._subscribed(frame)) is not None}
        self._resumed = {
            each.key: each.pos for each in resumed if each.key in named and each.pos is not None
        }
        if self._ids is not None:
            self._ids.resume(
                [each for each in resumed if self._canonical(each.topic) == each.topic]
            )
        if not isComplete:
            session.sendError(
                RealtimeError(
                    "too_many_subscriptions",
                    "The id of an event does not hold all of your subscriptions; subscribe again"
                    " to topics that do not answer.",
                ),
                None,
                None,
            )
        others = [each.frame() for each in resumed if each.key not in named]
        taken = self._inbox.take([*others, *frames])
        if taken is not None:
            # The session is over before it has taken them.
            taken.addErrback(lambda failure: failure.trap(RealtimeError))

    def take(self, frames: Sequence[bytes]) -> Deferred[None] | None:
        """
        Take the frames of a request.

        @return: See L{Inbox.take}.
        @raise RealtimeError: C{rate_limited} or C{unknown_session}.
        """
        if self._session is None or (self._isOver and self._lingering is None):
            raise ended()
        if self._lingering is not None:
            if not frames or not all(_headOf(frame).type == "close" for frame in frames):
                raise ended()
            self._finish(True)
            return None
        # Any request is a sign of life.
        self._session.heard()
        return self._inbox.take(frames)

    def _receive(self, frame: bytes) -> None:
        session = self._session
        if session is None or self._isOver:
            return
        # The session says what is wrong with a frame that cannot be read.
        head = _headOf(frame)
        if head.type == "close":
            reason = head.reason.encode()[:LONGEST].decode("utf-8", "ignore")
            self._end(True, head.code if head.code in CODES else None, reason)
            return
        if head.type == "subscribe" and self._ids is not None:
            frame = self._noteSubscription(self._ids, frame, head.topic)
        session.received(frame, False)

    def _noteSubscription(self, ids: EventIds, frame: bytes, name: str) -> bytes:
        """Note a subscription for ids, and put the position in that the client has."""
        topic = self._canonical(name)
        try:
            fields = _fields.decode(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return frame
        if topic is None:
            return frame
        ids.subscribing(topic, fields)
        since = self._resumed.pop(keyIn(topic, fields), None)
        if since is None or "since" in fields:
            return frame
        return msgspec.json.encode({**fields, "since": since})

    def _subscribed(self, frame: bytes) -> str | None:
        """What a frame subscribes to, see L{keyIn}; L{None} for another frame."""
        try:
            head, fields = _heads.decode(frame), _fields.decode(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        topic = self._canonical(head.topic) if head.type == "subscribe" else None
        return None if topic is None else keyIn(topic, fields)

    def _canonical(self, name: str) -> str | None:
        project = self.project
        if project is None:
            return None
        try:
            topic = parseTopic(name, project, self._parts.projects(), self._limits.topicLength)
        except RealtimeError:
            return None
        return topic.canonical

    # From the socket

    def _congested(self) -> None:
        if self._session is not None:
            self._session.congested()

    def _drained(self) -> None:
        if self._session is not None:
            self._session.heard()
            self._session.drained()

    def _lost(self) -> None:
        """The client has gone without a word, and may come back."""
        self._isOver = True
        self._inbox.end()
        self.place.leave()
        self._lingering = self._parts.clock.callLater(LINGER, self._finish, False)

    def _failed(self, failure: Failure) -> None:
        self.logger.failure("a connection failed", failure, connection=self.connectionId)
        self.abort()

    def _end(self, clean: bool, code: int | None = None, reason: str = "") -> None:
        """End the answer, and say so to the client."""
        if self._lingering is not None:
            self._parts.clock.callLater(0, self._finish, clean, code, reason)
            return
        if self._isOver:
            return
        self.send(wireFrame(Closed(1000 if code is None else code, reason)))
        self._isOver = True
        self._stream.finish()
        # The session may be in the middle of something.
        self._parts.clock.callLater(0, self._finish, clean, code, reason)

    def _finish(self, clean: bool, code: int | None = None, reason: str = "") -> None:
        self._isOver = True
        if self._lingering is not None and self._lingering.active():
            self._lingering.cancel()
        self._lingering = None
        session, self._session = self._session, None
        if session is None:
            return
        self._parts.owner.gone(self)
        self._left()
        self._inbox.end()
        try:
            session.closed(clean, *((code, reason) if clean else ()))
        except Exception:
            # The connection has ended all the same.
            self.logger.failure("a session failed to end", Failure(), connection=self.connectionId)

    # IConnection

    def send(self, frame: Frame) -> None:
        if self._isOver:
            return
        written = []
        for event in self._parts.encoder.encode(frame):
            id = "" if self._ids is None else self._ids.next(event.head)
            written.append(b"id: %b\n%b" % (id.encode(), event.data) if id else event.data)
        self._stream.write(b"".join(written))

    def ping(self) -> None:
        if self._isOver or self._stream.isFull:
            return
        self._stream.write(PING)
        if not self._pongs and self._session is not None:
            # The system ends the connection if the other end does not acknowledge it.
            self._parts.clock.callLater(0, self._session.heard)

    def close(self, code: int, reason: str) -> None:
        self._end(False, code, reason)

    def abort(self) -> None:
        if self._lingering is None:
            self._request.channel.turnAway()
        else:
            self._finish(False)


def _headOf(frame: bytes) -> _Head:
    try:
        return _heads.decode(frame)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Head()


def _endUnheard(request: BoundedRequest, seconds: float) -> None:
    """
    Have the system end a connection whose other end acknowledges nothing for so many seconds
    (C{tcp(7)}, C{TCP_USER_TIMEOUT}).  Other systems than Linux end it later, by themselves.
    """
    below: Any = request.channel.transport
    while isinstance(below, ProtocolWrapper):
        below = below.transport
    handle = getattr(below, "getHandle", lambda: None)()
    if isinstance(handle, socket.socket) and handle.family in (socket.AF_INET, socket.AF_INET6):
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if option is not None:
            handle.setsockopt(socket.IPPROTO_TCP, option, round(seconds * 1000))


def _nothing() -> None:
    """Nothing has to be done."""
