"""
A Valkey server that comes back with an older state: whether a subscriber that has missed events
knows it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pairs import relayed, running
from system import System
from tools import Tools, aside
from twisted.internet.defer import ensureDeferred
from wires import AerostackDialect, Answer, CentrifugeDialect, Event, Heard, Said, Wire, connect

TOPIC = "bench/kept"

SAVED, AFTER, NEW = 101, 10, 12
"""How many events there are in the snapshot, behind it, and after the return."""

WHILE = 8.0
"""Seconds for which the subscriber may find out."""


class Reader:
    """
    A subscriber.

    @ivar got: The events that it has, by their numbers.
    @ivar isTold: Whether it knows that events are missing.
    @ivar isOver: Whether it does not come back any more.
    """

    def __init__(self, tools: Tools, port: int) -> None:
        self.got: set[int] = set()
        self.isTold = False
        self.isOver = False
        self._tools = tools
        self._port = port

    async def start(self) -> None:
        """
        Connect and subscribe.
        """
        raise NotImplementedError

    def heard(self, wire: Wire, what: Heard) -> None:
        """
        Take what the server says.
        """
        if isinstance(what, Event):
            self.got.add(what.data)


class AerostackReader(Reader):
    """
    A subscriber of the daemon.
    """

    async def start(self) -> None:
        wire = await connect(self._tools.reactor, self._port, AerostackDialect(), self.heard)
        await wire.subscribe([TOPIC])

    def heard(self, wire: Wire, what: Heard) -> None:
        super().heard(wire, what)
        # An answer that was not asked for.
        if isinstance(what, Answer) and what.key == TOPIC:
            self.isTold = self.isTold or what.frame.get("recovered") is False


class CentrifugeReader(Reader):
    """
    A subscriber of centrifuge.  As its client libraries do, it subscribes again from its position
    when the server says that its state is not sufficient.
    """

    def __init__(self, tools: Tools, port: int) -> None:
        super().__init__(tools, port)
        self._offset = 0
        self._epoch = ""

    async def start(self) -> None:
        wire = await self._connect()
        answer = await wire.ask(TOPIC, wire.dialect.subscribe(TOPIC))
        self._epoch = answer["subscribe"]["epoch"]

    async def _connect(self) -> Wire:
        wire = await connect(self._tools.reactor, self._port, CentrifugeDialect(), self.heard)
        wire.gone = self._gone
        return wire

    def _gone(self) -> None:
        if not self.isOver:
            ensureDeferred(self._comeBack())

    async def _comeBack(self) -> None:
        await self._resume(await self._connect())

    async def _resume(self, wire: Wire) -> None:
        dialect = wire.dialect
        assert isinstance(dialect, CentrifugeDialect)
        answer = await wire.ask(TOPIC, dialect.resume(TOPIC, self._offset, self._epoch))
        found = answer["subscribe"]
        self.isTold = self.isTold or not found.get("recovered")
        self.got.update(each["data"] for each in found.get("publications", ()))
        self._offset, self._epoch = found.get("offset", 0), found["epoch"]

    def heard(self, wire: Wire, what: Heard) -> None:
        super().heard(wire, what)
        if isinstance(what, Said) and "push" in what.frame:
            push = what.frame["push"]
            if "pub" in push:
                self._offset = push["pub"].get("offset", 0)
            elif "unsubscribe" in push:
                ensureDeferred(self._resume(wire))


async def untold(
    tools: Tools,
    make: Callable[[int], System],
    dialect: Callable[[], Any],
    read: type[Reader],
    engine: Any,
) -> tuple[int, int]:
    """
    Let Valkey go back while a subscriber's node is cut off from it.

    @param make: Makes the system for a port of Valkey.
    @param engine: The Valkey server.
    @return: How many acknowledged events the subscriber does not have, and how many of these it
        does not know of.
    """
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        async with relayed(tools.reactor, engine.port) as relay:
            systems = [make(relay.port), make(engine.port)]
            async with aside(running(systems, Path(place), alone=False)) as servers:
                reader = read(tools, servers[0].port)
                await reader.start()
                publisher = await connect(
                    tools.reactor, servers[1].port, dialect(), lambda *_: None
                )

                async def publish(first: int, count: int) -> None:
                    for number in range(first, first + count):
                        text = publisher.dialect.publish(TOPIC, number, number)
                        await publisher.ask(str(number), text)

                await publish(1, SAVED)
                engine.takeSnapshot()
                await publish(SAVED + 1, AFTER)
                await tools.until(lambda: len(reader.got) == SAVED + AFTER, "the first events")
                relay.cut()
                engine.restoreSnapshot()
                # Its node has to find the server again.
                await tools.sleep(3)
                await publish(SAVED + AFTER + 1, NEW)
                relay.mend()
                await tools.sleep(WHILE)
                await publish(SAVED + AFTER + NEW + 1, NEW)
                await tools.sleep(WHILE)
                reader.isOver = True
    lost = SAVED + AFTER + 2 * NEW - len(reader.got)
    return lost, 0 if reader.isTold else lost
