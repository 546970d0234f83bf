"""
A load of numbered publications, by the Python client.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from account import Account, Stream
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.client.channel import Channel
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient

TOPICS = ("kills/a", "kills/b")
PUBLISHERS = 4
SUBSCRIBERS = 6
RATE = 20.0
"""How often a second each publisher publishes an event that is kept and one that is not."""


@implementer(IStreamClientEndpoint)
class AnyPort:
    """
    Connects to several ports in turn, as a load balancer does, and leaves out those that refuse.
    """

    def __init__(self, reactor: Any, ports: Sequence[int], first: int) -> None:
        """
        @param first: The index of the first port.
        """
        self._endpoints = [TCP4ClientEndpoint(reactor, "127.0.0.1", port, 5) for port in ports]
        self._next = first

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._try(factory, len(self._endpoints) - 1)

    def _try(self, factory: IProtocolFactory, others: int) -> Deferred[IProtocol]:
        endpoint = self._endpoints[self._next % len(self._endpoints)]
        self._next += 1
        connected: Deferred[IProtocol] = endpoint.connect(factory)
        if others:
            connected.addErrback(lambda _: self._try(factory, others - 1))
        return connected


class NumberedLoad:
    """
    Publishers and subscribers, each with a connection of its own.

    @ivar account: What they have published and got.
    """

    def __init__(self, reactor: Any, ports: Sequence[int], key: str, rate: float = RATE) -> None:
        """
        @param ports: Where the daemons listen.
        @param key: The public key of the project C{bench}.
        @param rate: How often a second each publisher publishes; each time it publishes an event
            that is kept and one that is not.
        """
        self.account = Account(SUBSCRIBERS)
        self._rate = rate
        self._reactor = reactor
        self._ports = ports
        self._key = key
        self._clients = MultiService()
        self._calls: list[LoopingCall] = []
        # A client forgets channels that the application does not hold.
        self._channels: list[Channel] = []

    async def start(self) -> None:
        """
        Connect, subscribe, and begin to publish.
        """
        self._clients.startService()
        for number in range(SUBSCRIBERS):
            for topic in TOPICS:
                await self._subscribe(number, topic)
        for number in range(PUBLISHERS):
            topic = TOPICS[number % len(TOPICS)]
            channel = self._client(number).channel(topic)
            self._channels.append(channel)
            call = LoopingCall(self._publish, channel, number)
            call.clock = self._reactor
            call.start(1 / self._rate)
            self._calls.append(call)

    def pause(self) -> None:
        """
        Publish nothing more.
        """
        for call in self._calls:
            if call.running:
                call.stop()

    async def stop(self) -> None:
        """
        Stop publishing, and disconnect.
        """
        self.pause()
        await self._clients.stopService()

    def _client(self, first: int) -> RealtimeClient:
        client = RealtimeClient(
            self._reactor,
            f"ws://127.0.0.1:{self._ports[0]}",
            projectId="bench",
            apiKey=self._key,
            endpoint=AnyPort(self._reactor, self._ports, first),
        )
        client.setServiceParent(self._clients)
        return client

    async def _subscribe(self, number: int, topic: str) -> None:
        if len(self._clients.services) <= number:
            self._client(number)
        channel = self._clients.services[number].channel(topic)
        self._channels.append(channel)
        channel.on("n", lambda frame: self._received(number, topic, frame["data"]))
        await channel.subscribe()
        # The first answer has come.  Each further one says what became of the events meanwhile.
        channel.onSubscribed(lambda frame: self._resumed(number, topic, frame))

    def _received(self, subscriber: int, topic: str, data: dict[str, Any]) -> None:
        stream = Stream(topic, data["publisher"], data["kept"])
        self.account.received(subscriber, stream, data["number"])

    def _resumed(self, subscriber: int, topic: str, frame: dict[str, Any]) -> None:
        if not frame.get("recovered") or frame.get("keptOnly"):
            self.account.told(subscriber, topic, not frame.get("recovered"))

    def _publish(self, channel: Channel, publisher: int) -> None:
        for kept in (False, True):
            stream = Stream(channel.topic, publisher, kept)
            number = self.account.publish(stream)
            data = {"publisher": publisher, "kept": kept, "number": number}
            answered = channel.publish("n", data, persist=kept)
            answered.addCallbacks(self._acknowledged, self._refused, callbackArgs=(stream, number))

    def _acknowledged(self, _: None, stream: Stream, number: int) -> None:
        self.account.acknowledged(stream, number)

    def _refused(self, failure: Failure) -> None:
        failure.trap(ClientError)
        self.account.refused()
