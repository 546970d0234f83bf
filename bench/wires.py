"""
Clients of the daemon and of its peers that publish and subscribe, and the protocols that they
speak.

They do as they are told: no client comes back by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from processes import Failed
from systems import PUBLIC_KEY
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import TCP4ClientEndpoint

Frame = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """
    A client got an event.
    """

    topic: str
    name: str
    data: Any


@dataclass(frozen=True)
class Answer:
    """
    A client got an answer.

    @ivar key: What was asked: for a subscription the topic, else the number of the request.
    @ivar error: Why it was refused; L{None} if it was not.
    @ivar frame: All that was answered.
    """

    key: str
    error: str | None
    frame: Frame


@dataclass(frozen=True)
class Said:
    """
    The server said something without being asked.
    """

    frame: Frame


Heard = Event | Answer | Said


class Dialect(Protocol):
    """
    The protocol of a system.

    @ivar path: The path of its WebSocket.
    @ivar offers: The subprotocols that a client offers.
    """

    path: str
    offers: Sequence[str]

    def hello(self) -> str | None:
        """Return the client's first message, which is answered under C{hello}; L{None} for none."""

    def subscribe(self, topic: str) -> str:
        """Return a subscription, which is answered under the topic."""

    def publish(self, topic: str, data: Any, number: int) -> str:
        """Return a publication, which is answered under its number."""

    def read(self, text: str) -> Iterator[Heard]:
        """Read a message of the server."""


class AerostackDialect:
    """
    The daemon's protocol.
    """

    path = "/api/realtime?projectId=bench"
    offers = (f"aerostack-key.{PUBLIC_KEY}", "aerostack-v1")

    def hello(self) -> str | None:
        return None

    def subscribe(self, topic: str) -> str:
        return json.dumps({"type": "subscribe", "topic": topic})

    def publish(self, topic: str, data: Any, number: int) -> str:
        frame = {"type": "publish", "topic": topic, "event": "n", "data": data, "id": str(number)}
        return json.dumps(frame)

    def track(self, topic: str, state: Any) -> str:
        """Return the frame by which a client is present on a topic."""
        return json.dumps({"type": "track", "topic": topic, "state": state})

    def read(self, text: str) -> Iterator[Heard]:
        frame: Frame = json.loads(text)
        kind = frame["type"]
        topic = frame.get("topic", "").removesuffix("/bench")
        if kind == "event":
            yield Event(topic, frame["event"], frame["data"])
        elif kind == "subscribed":
            yield Answer(topic, None, frame)
        elif kind == "ack":
            yield Answer(frame["id"], None, frame)
        elif kind == "error":
            yield Answer(frame.get("id", topic), frame["message"], frame)
        else:
            yield Said(frame)


class CentrifugeDialect:
    """
    The protocol of centrifuge, in JSON.
    """

    path = "/connection/websocket"
    offers = ()

    def __init__(self) -> None:
        self._number = 1_000_000_000
        # By the number of a request, what was asked.
        self._asked = {1: "hello"}

    def hello(self) -> str | None:
        return json.dumps({"id": 1, "connect": {}})

    def subscribe(self, topic: str) -> str:
        return self._subscribe(topic, {})

    def resume(self, topic: str, offset: int, epoch: str) -> str:
        """Return a subscription that goes on from a position."""
        return self._subscribe(topic, {"recover": True, "offset": offset, "epoch": epoch})

    def _subscribe(self, topic: str, more: Frame) -> str:
        self._number += 1
        self._asked[self._number] = topic
        return json.dumps({"id": self._number, "subscribe": {"channel": topic, **more}})

    def publish(self, topic: str, data: Any, number: int) -> str:
        # The number of the first request is 1.
        return json.dumps({"id": number + 2, "publish": {"channel": topic, "data": data}})

    def read(self, text: str) -> Iterator[Heard]:
        for line in text.splitlines():
            frame: Frame = json.loads(line)
            push = frame.get("push", {})
            if "pub" in push:
                yield Event(push["channel"], "n", push["pub"]["data"])
            if "id" in frame:
                number = frame["id"]
                key = self._asked.pop(number, None) or str(number - 2)
                yield Answer(key, frame.get("error", {}).get("message"), frame)
            else:
                yield Said(frame)


class Refused(Failed):
    """
    A server refused what a client asked.  The message is the server's.
    """


class Wire(WebSocketClientProtocol):  # type: ignore[misc]
    """
    One client.

    @ivar isLost: Whether its connection has ended.
    @ivar heard: Is called with each event, and with all that the server says without being asked.
    @ivar gone: Is called when its connection has ended.
    """

    def __init__(self, dialect: Dialect, heard: Callable[[Wire, Heard], object]) -> None:
        super().__init__()
        self.isLost = False
        self.heard = heard
        self.gone: Callable[[], object] = lambda: None
        self.dialect = dialect
        self._opened: Deferred[None] = Deferred()
        self._asked: dict[str, Deferred[Frame]] = {}

    def opened(self) -> Deferred[None]:
        """
        Return what fires when the client may ask.
        """
        return self._opened

    def say(self, text: str) -> None:
        """
        Send a message.
        """
        self.sendMessage(text.encode())

    def ask(self, key: str, text: str) -> Deferred[Frame]:
        """
        Send a message, and wait for its answer.

        @param key: See L{Answer}.
        @return: Fails with L{Refused}, or with another L{Failed} when the connection ends.
        """
        answered: Deferred[Frame] = Deferred()
        if self.isLost:
            answered.errback(Failed("the connection has ended"))
            return answered
        self._asked[key] = answered
        self.say(text)
        return answered

    async def subscribe(self, topics: Iterable[str]) -> None:
        """
        Subscribe to topics, all at once.

        @raise Failed: The server refused one, or closed the connection.
        """
        asked = [self.ask(topic, self.dialect.subscribe(topic)) for topic in topics]
        for succeeded, result in await DeferredList(asked, consumeErrors=True):
            if not succeeded:
                result.raiseException()

    # autobahn

    def onOpen(self) -> None:
        hello = self.dialect.hello()
        if hello is None:
            self._opened.callback(None)
        else:
            self.ask("hello", hello).addCallbacks(
                lambda _: self._opened.callback(None), self._opened.errback
            )

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if payload == b"{}":
            # A ping of centrifuge.
            self.say("{}")
            return
        for heard in self.dialect.read(payload.decode()):
            answered = self._asked.pop(heard.key, None) if isinstance(heard, Answer) else None
            if answered is None:
                self.heard(self, heard)
            elif heard.error is None:
                answered.callback(heard.frame)
            else:
                answered.errback(Refused(heard.error))

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.isLost = True
        asked, self._asked = self._asked, {}
        waiting = [*asked.values(), *([] if self._opened.called else [self._opened])]
        for answered in waiting:
            answered.errback(Failed(f"closed with {code}: {reason}"))
        self.gone()


async def connect(
    reactor: Any, port: int, dialect: Dialect, heard: Callable[[Wire, Heard], object]
) -> Wire:
    """
    Open a client's connection.

    @param heard: See L{Wire}.
    """
    factory = WebSocketClientFactory(
        f"ws://127.0.0.1:{port}{dialect.path}", protocols=list(dialect.offers), reactor=reactor
    )
    factory.setProtocolOptions(tcpNoDelay=True, openHandshakeTimeout=60)
    factory.protocol = lambda: Wire(dialect, heard)
    factory.noisy = False
    wire: Wire = await TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(factory)
    await wire.opened()
    return wire
