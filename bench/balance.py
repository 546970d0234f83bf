"""
The death of one of two workers: when another one serves, what the other clients notice, and how the
clients are spread when all are back.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from marks import Mark
from pairs import Daemon, metric, running, workersOf
from processes import Failed, Server
from samples import quantile, unevenness
from systems import PUBLIC_KEY
from tools import Tools, aside
from twisted.application.service import MultiService
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread

from aerostack.client.channel import Channel
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient

TOPIC = "bench/x"
IDLE = "bench/idle"
RATE = 20.0
"""Publications a second of each of two publishers."""

READERS = 40
"""How many clients get them."""

AGAIN = "serves clients again"
"""What the daemon logs when a worker serves that was started anew."""


class Crowd:
    """
    Clients of the daemon that come back as applications' clients do.

    Two of them publish.  They connect one after the other, and so to two workers.
    """

    def __init__(self, tools: Tools, port: int, idle: int) -> None:
        """
        @param idle: How many clients get nothing.
        """
        self._tools = tools
        self._port = port
        self._services = MultiService()
        self._services.startService()
        self._channels: list[Channel] = []
        self._calls: list[LoopingCall] = []
        self._interrupted: set[RealtimeClient] = set()
        self._publishers = [self._client(IDLE) for _ in range(2)]
        self._readers = [self._client(TOPIC) for _ in range(READERS)]
        self._idle = [self._client(IDLE) for _ in range(idle)]
        # By reader and publisher, when events came and how long they took.
        self._delays: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for reader, channel in enumerate(self._channels[2 : 2 + READERS]):
            channel.on("n", lambda frame, reader=reader: self._received(reader, frame["data"]))

    def _client(self, topic: str) -> RealtimeClient:
        url = f"ws://127.0.0.1:{self._port}"
        client = RealtimeClient(self._tools.reactor, url, projectId="bench", apiKey=PUBLIC_KEY)
        channel = client.channel(topic)
        self._channels.append(channel)
        client.onStatusChange(lambda status: self._changed(client, status))
        client.setServiceParent(self._services)
        return client

    def _changed(self, client: RealtimeClient, status: str) -> None:
        if status == "reconnecting":
            self._interrupted.add(client)

    def _received(self, reader: int, data: Any) -> None:
        now = time.monotonic()
        came = self._delays.setdefault((reader, data["publisher"]), [])
        came.append((now, now - data["at"]))

    async def start(self) -> None:
        """
        Wait until all clients are subscribed, and begin to publish.
        """
        for channel in self._channels:
            await channel.subscribe()
        for number, client in enumerate(self._publishers):
            channel = client.channel(TOPIC)
            self._channels.append(channel)
            call = LoopingCall(self._publish, channel, number)
            call.clock = self._tools.reactor
            call.start(1 / RATE)
            self._calls.append(call)

    def _publish(self, channel: Channel, publisher: int) -> None:
        data = {"publisher": publisher, "at": time.monotonic()}
        # A publication in the moment of the death may fail.
        channel.publish("n", data).addErrback(lambda failure: failure.trap(ClientError))

    async def stop(self) -> None:
        """
        Disconnect all.
        """
        for call in self._calls:
            call.stop()
        await self._services.stopService()

    @property
    def interrupted(self) -> int:
        """How many clients have lost their connection."""
        return len(self._interrupted)

    def isWhole(self) -> bool:
        """
        Whether all clients are connected.
        """
        clients = (*self._publishers, *self._readers, *self._idle)
        return all(client.status == "connected" for client in clients)

    def delays(self, since: float, until: float) -> list[float]:
        """
        Return the seconds that events took in a while, for the clients that have not lost their
        connection.
        """
        return [
            delay
            for (reader, publisher), came in self._delays.items()
            if self._readers[reader] not in self._interrupted
            and self._publishers[publisher] not in self._interrupted
            for at, delay in came
            if since <= at < until
        ]


async def _kill(tools: Tools, server: Server, crowd: Crowd) -> tuple[float, Sequence[float]]:
    """
    Kill a worker.

    @return: The seconds until another one serves, and the p99 of other clients before and
        meanwhile, in milliseconds.
    """
    seconds = 2.0 if tools.quick else 5.0
    began = time.monotonic()
    await tools.sleep(seconds)
    victim = workersOf(server)[0]
    killed = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    took = await tools.until(lambda: AGAIN in server.output(), "a new worker")
    await tools.until(crowd.isWhole, "the clients to come back")
    await tools.sleep(max(0.0, killed + seconds - time.monotonic()))
    parts = [crowd.delays(began, killed), crowd.delays(killed, killed + seconds)]
    if not all(parts):
        raise Failed("all readers, or all publishers, had the same worker")
    return took, [1000 * quantile(part, 0.99) for part in parts]


async def balance(tools: Tools) -> list[Mark]:
    """
    What the clients of two workers see when one of them is killed.
    """
    idle = 50 if tools.quick else 400
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        daemons = [Daemon(tools.cache, workers=2)]
        async with aside(running(daemons, Path(place), alone=False)) as (server,):
            crowd = Crowd(tools, server.port, idle)
            try:
                await crowd.start()
                took, (before, meanwhile) = await _kill(tools, server, crowd)
                # Each worker reports how many it has every second.
                await tools.sleep(3)
                name = "aerostack_worker_connections"
                counts = [int(each) for each in await deferToThread(metric, server.port, name)]
            finally:
                await crowd.stop()
    if len(counts) != 2:
        raise Failed(f"the daemon names {len(counts)} workers instead of 2")
    apart, ratio = unevenness(counts), meanwhile / before
    return [
        Mark(
            "balance: a worker killed, until a new one serves",
            f"{took:.2f} s",
            "-",
            "-",
            "<= 2 s",
            took <= 2,
        ),
        Mark(
            "balance: p99 of the other clients meanwhile",
            f"{meanwhile:.1f} ms",
            f"{before:.1f} ms before",
            f"{ratio:.2f}",
            "<= 1.5",
            ratio <= 1.5,
        ),
        Mark(
            f"balance: connections of each worker, {crowd.interrupted} came back",
            " and ".join(f"{count:,}" for count in counts),
            "-",
            f"{apart:.2f}",
            "<= 0.1",
            apart <= 0.1,
        ),
    ]
