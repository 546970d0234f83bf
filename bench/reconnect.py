"""
Many topics after a short loss of the connection to Valkey: how long it takes until events arrive
on them again.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marks import Mark
from pairs import Daemon, relayed, running, share, valkey
from processes import Server, spentBy
from system import System
from tools import Tools, aside
from twisted.internet.defer import DeferredList, ensureDeferred
from twisted.internet.threads import deferToThread
from wires import AerostackDialect, Dialect, Event, Heard, Wire, connect

EACH = 1_000
"""How many topics one client has."""

SAMPLES = 100
"""How many of the topics are looked at."""

PROBE = 0.05
"""Seconds between two events on each of these."""

TOPIC = "bench/{}"


@dataclass(frozen=True)
class Times:
    """
    Seconds.

    @ivar attached: To subscribe to all topics.
    @ivar usable: From the new connection to Valkey to the first event on each topic that is
        looked at.
    @ivar attaching: Processor time that the node has used since its start when all topics are
        subscribed to.
    @ivar returning: Processor time that the node uses meanwhile.
    """

    attached: float
    usable: float
    attaching: float
    returning: float


class Probe:
    """
    A client that publishes on some topics at a time, at the node that keeps its connection.
    """

    def __init__(self, wire: Wire, topics: Sequence[str]) -> None:
        self._wire = wire
        self._topics = topics
        self._number = 0

    def publish(self) -> None:
        """
        Publish on each topic.
        """
        for topic in self._topics:
            self._number += 1
            self._wire.say(self._wire.dialect.publish(topic, self._number, self._number))


async def measure(
    tools: Tools,
    make: Callable[[int], System],
    dialect: Callable[[], Dialect],
    engine: Any,
) -> Times:
    """
    Cut one of two nodes off from Valkey, and let it connect again.

    @param make: Makes the system for a port of Valkey.
    @param engine: The Valkey server.
    """
    topics = [TOPIC.format(number) for number in range(1_000 if tools.quick else 10_000)]
    looked = topics[:: max(1, len(topics) // SAMPLES)]
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        async with relayed(tools.reactor, engine.port) as relay:
            systems = [make(relay.port), make(engine.port)]
            async with aside(running(systems, Path(place), alone=False)) as servers:
                return await _measure(tools, servers, dialect, relay, topics, looked)


async def _measure(
    tools: Tools,
    servers: Sequence[Server],
    dialect: Callable[[], Dialect],
    relay: Any,
    topics: Sequence[str],
    looked: Sequence[str],
) -> Times:
    came: set[str] = set()

    def heard(wire: Wire, what: Heard) -> None:
        if isinstance(what, Event):
            came.add(what.topic)

    first, second = servers
    readers = [
        await connect(tools.reactor, first.port, dialect(), heard)
        for _ in range(0, len(topics), EACH)
    ]
    began = time.monotonic()
    parts = [topics[start : start + EACH] for start in range(0, len(topics), EACH)]
    subscribing = [
        ensureDeferred(reader.subscribe(part)) for reader, part in zip(readers, parts, strict=True)
    ]
    for succeeded, result in await DeferredList(subscribing, consumeErrors=True):
        if not succeeded:
            result.raiseException()
    attached = time.monotonic() - began
    publisher = await connect(tools.reactor, second.port, dialect(), lambda *_: None)
    probe = Probe(publisher, looked)
    wanted = set(looked)

    async def arrived() -> float:
        """Publish until an event has come on each topic."""
        came.clear()
        next_ = 0.0
        while not came >= wanted:
            if time.monotonic() >= next_:
                next_ = time.monotonic() + PROBE
                probe.publish()
            await tools.sleep(0.005)
        return time.monotonic()

    await arrived()
    # What was still under way shall not count.
    await tools.sleep(1)
    attaching = spentBy(first.pids()[0])
    relay.cut()
    await tools.sleep(0.5)
    before = spentBy(first.pids()[0])
    relay.mend()
    await tools.until(lambda: not relay.ends, "the end of the old connection")
    await tools.until(lambda: relay.ends, "the node to connect again")
    connected = time.monotonic()
    usable = await arrived() - connected
    return Times(attached, usable, attaching, spentBy(first.pids()[0]) - before)


async def reconnect(tools: Tools) -> list[Mark]:
    """
    The topics of a node that has lost its connection to Valkey.
    """
    with valkey() as engine:
        shared = await deferToThread(share, engine)

        def make(port: int) -> System:
            return Daemon(tools.cache, shared=shared.by(port))

        found = await measure(tools, make, AerostackDialect, engine)
    count = "1,000" if tools.quick else "10,000"
    return [
        Mark(
            f"reconnect: {count} topics usable after the node has connected again",
            f"{found.usable:.2f} s",
            f"{1000 * found.returning:,.0f} ms processor time",
            "-",
            "<= 1 s",
            found.usable <= 1,
        ),
        Mark(
            f"reconnect: subscribe to {count} topics",
            f"{found.attached:.2f} s",
            f"{1000 * found.attaching:,.0f} ms processor time, with the start",
            "-",
            "-",
            None,
        ),
    ]
