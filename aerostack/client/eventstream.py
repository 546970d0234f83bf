"""
Connections to a daemon over server-sent events, for networks that let no WebSocket pass.

The daemon's frames come in one answer that goes on.  Each request of the client brings some of its
frames; the next follows when the one before is answered, so that the frames keep their order.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any

import msgspec
import treq
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from aerostack.client.address import Address
from aerostack.client.closing import Closing, broken, closed, refused
from aerostack.client.errors import ClientError, excerpt, refusal
from aerostack.client.http import Body, Collector, OneEndpoint
from aerostack.client.interfaces import ITransport, ITransportUser, OpenTransport
from aerostack.client.transport import LARGEST_MESSAGE
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.sse import EventReader, EventTooLarge

LARGEST_REQUEST = 65_536
"""About how many bytes of frames go into one request."""

MOST = 500
"""How many frames go into one request."""

_ACCEPTED = 202
_LARGE = 413
_PING = b": ping"


class _Frame(msgspec.Struct, frozen=True):
    """A frame that is about the connection."""

    type: str = ""
    session: str = ""
    code: int | None = None
    reason: str = ""


_frames = msgspec.json.Decoder(_Frame)


class _Answer(Protocol):
    """
    Reads the answer that has the daemon's frames.
    """

    def __init__(self, owner: EventTransport) -> None:
        self._owner = owner

    def dataReceived(self, data: bytes) -> None:
        self._owner.heard(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._owner.lost(reason)


@implementer(ITransport)
class EventTransport:
    """
    A connection over server-sent events.
    """

    _log = Logger()

    def __init__(
        self, agent: IAgent, pool: HTTPConnectionPool | None, address: Address, user: ITransportUser
    ) -> None:
        """
        @param pool: What the agent keeps of connections; L{None} if the agent is another's.
        """
        self._agent = agent
        self._pool = pool
        self._address = address
        self._user = user
        self._session: str | None = None
        self._reader = EventReader(LARGEST_MESSAGE, self._commented)
        self._answer: _Answer | None = None
        # The requests that are under way: the end of the connection cancels them.
        self._opening: Deferred[Any] | None = None
        self._sending: Deferred[Any] | None = None
        self._waiting: deque[bytes] = deque()
        self._most = MOST
        self._closing: Closing | None = None
        self._isOver = False

    # ITransport

    def open(self) -> None:
        path = self._address.path.replace("/api/realtime", "/api/realtime/sse", 1)
        path += ("&" if "?" in path else "?") + "ids=0&pongs=1"
        self._opening = self._post(path, self._address.headers, b"")
        self._opening.addCallbacks(self._answered, self._failed)
        self._opening.addErrback(self._broke)

    def send(self, payload: bytes) -> None:
        self._waiting.append(payload)
        self._flush()

    def close(self, code: int, reason: str) -> None:
        self.send(encodeValue({"type": "close", "code": code, "reason": reason}))
        self._user.closeStarted()

    def abort(self) -> None:
        self._end(broken(f"The connection to {self._address.url} was given up."))

    # The daemon's frames

    def _answered(self, response: Any) -> Any:
        self._opening = None
        if self._isOver:
            return None
        if response.code != 200:
            return self._refused(response)
        self._answer = _Answer(self)
        response.deliverBody(self._answer)
        return None

    def _refused(self, response: Any) -> Deferred[None]:
        body = Collector()
        retryAfter = response.headers.getRawHeaders("retry-after")
        collected: Deferred[Any] = treq.collect(response, body.add)
        return collected.addCallback(
            lambda _: self._end(
                refused(response.code, retryAfter[0] if retryAfter else None, body.value)
            )
        )

    def heard(self, data: bytes) -> None:
        """
        Take some bytes of the answer.
        """
        if self._isOver:
            return
        self._user.heard()
        try:
            for event in self._reader.feed(data):
                self._take(event.data.encode())
        except (EventTooLarge, msgspec.MsgspecError):
            self._end(_nonsense(self._address, data))

    def _take(self, payload: bytes) -> None:
        if self._isOver:
            return
        if self._session is None:
            self._session = _frames.decode(payload).session
            self._call(self._user.opened)
        elif payload.startswith(b'{"type":"close"'):
            frame = _frames.decode(payload)
            self._closing = closed(frame.code, frame.reason)
            self._user.closeStarted()
        else:
            self._call(self._user.received, payload)

    def _call(self, call: Any, *args: Any) -> None:
        """Call the user of the transport."""
        try:
            call(*args)
        except Exception:
            # The daemon did nothing wrong, so the connection stays open.
            self._log.failure("the client failed")

    def _commented(self, comment: bytes) -> None:
        if comment == _PING and not self._isOver:
            # A request without frames shows that the client is there.
            self._flush(True)

    def lost(self, reason: Failure) -> None:
        """
        Note that the answer has ended.
        """
        why = reason.getErrorMessage().rstrip(".")
        self._end(broken(f"The connection to {self._address.url} is gone: {why}."))

    def _failed(self, failure: Failure) -> None:
        self._opening = None
        why = failure.getErrorMessage().rstrip(".")
        self._end(broken(f"No server can be reached at {self._address.url}: {why}."))

    def _broke(self, failure: Failure) -> None:
        self._end(broken(failure.getErrorMessage()))

    # The client's frames

    def _flush(self, isEmpty: bool = False) -> None:
        if self._sending is not None or self._isOver or not (self._waiting or isEmpty):
            return
        count = self._count()
        frames = [self._waiting[number] for number in range(count)]
        body = frames[0] if count == 1 else b"[%b]" % b",".join(frames)
        prefix = self._address.prefix
        headers = {"X-Aerostack-Session": self._session or ""}
        self._sending = self._post(f"{prefix}/api/realtime/send", headers, body)
        self._sending.addCallback(self._sent, count)
        self._sending.addErrback(self._unsent)

    def _count(self) -> int:
        """How many frames go into the next request."""
        size = count = 0
        for frame in self._waiting:
            size += len(frame)
            if count == self._most or (count and size > LARGEST_REQUEST):
                break
            count += 1
        return count

    def _sent(self, response: Any, count: int) -> Any:
        body = Collector()
        collected: Deferred[Any] = treq.collect(response, body.add)
        return collected.addCallback(lambda _: self._told(response.code, body.value, count))

    def _told(self, status: int, body: bytes, count: int) -> None:
        self._sending = None
        if self._isOver:
            return
        if status == _ACCEPTED:
            for _ in range(count):
                self._waiting.popleft()
        elif status == _LARGE and count > 1:
            # Each of them may be small enough.
            self._most = 1
        elif status == _LARGE:
            self._end(closed(1009, refusal(status, None, body).message))
            return
        else:
            why = refusal(status, None, body).message
            self._end(broken(f"The daemon did not take a frame: {why}"))
            return
        self._flush()

    def _unsent(self, failure: Failure) -> None:
        self._sending = None
        # It is not known what the daemon has got: another connection will show it.
        self._end(broken(f"A frame could not be sent: {failure.getErrorMessage().rstrip('.')}."))

    # Tools

    def _post(self, path: str, headers: dict[str, str], body: bytes) -> Deferred[Any]:
        uri = f"{'https' if self._address.secure else 'http'}://{self._address.authority}{path}"
        listed = Headers({name: [value] for name, value in headers.items()})
        made: Deferred[Any] = self._agent.request(b"POST", uri.encode(), listed, Body(body))
        return made

    def _end(self, closing: Closing) -> None:
        if self._isOver:
            return
        self._isOver = True
        self._waiting.clear()
        for going in (self._opening, self._sending):
            if going is not None:
                going.cancel()
        if self._answer is not None and self._answer.transport is not None:
            self._answer.transport.loseConnection()
        if self._pool is not None:
            self._pool.closeCachedConnections()
        self._user.closed(self._closing or closing)


def _nonsense(address: Address, data: bytes) -> Closing:
    return Closing(
        ClientError(
            "bad_answer", f"The server at {address.url} is no aerostack-rt daemon: {excerpt(data)}"
        )
    )


def eventStreams(
    reactor: Any, endpoint: IStreamClientEndpoint, agent: IAgent | None = None
) -> OpenTransport:
    """
    Give the function that makes connections over server-sent events.

    @param agent: Makes the requests; L{None} for one that uses the endpoint.
    """
    if agent is not None:
        return partial(EventTransport, agent, None)

    def make(address: Address, user: ITransportUser) -> ITransport:
        pool = HTTPConnectionPool(reactor)
        made = Agent.usingEndpointFactory(reactor, OneEndpoint(endpoint), pool=pool)
        transport: ITransport = EventTransport(made, pool, address, user)
        return transport

    return make
