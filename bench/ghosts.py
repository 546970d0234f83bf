"""
Who is present after a node has been killed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from marks import Mark
from pairs import Daemon, running, share, valkey
from tools import Tools, aside
from twisted.internet.threads import deferToThread
from wires import AerostackDialect, Event, Heard, Wire, connect

from aerostack.engine.valkey.roster import LEASE_SECONDS

TOPIC = "bench/room"

SPARE = 2.0
"""Seconds that the mark has beside lease and grace."""


class Watcher:
    """
    What a subscriber at the other node knows of the members.

    @ivar present: The connections of the members, by the events that came.
    @ivar joined: The connections that have joined, in order.
    @ivar left: The connections that have left, in order.
    @ivar settled: When the last event came, seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self.present: set[str] = set()
        self.left: list[str] = []
        self.joined: list[str] = []
        self.settled = time.monotonic()

    def heard(self, wire: Wire, what: Heard) -> None:
        if not isinstance(what, Event) or not what.name.startswith("presence:"):
            return
        self.settled = time.monotonic()
        if what.name == "presence:sync":
            self.present = {member["connectionId"] for member in what.data["members"]}
        elif what.name == "presence:leave":
            self.present.discard(what.data["connectionId"])
            self.left.append(what.data["connectionId"])
        else:
            self.present.add(what.data["connectionId"])
            self.joined.append(what.data["connectionId"])


async def presence(tools: Tools) -> list[Mark]:
    """
    Whether the members of a killed node leave, each once, and nobody else does.
    """
    members = 50 if tools.quick else 200
    grace = 2.0
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place, valkey() as engine:
        shared = await deferToThread(share, engine)
        systems = [Daemon(tools.cache, grace=grace, shared=shared) for _ in range(2)]
        async with aside(running(systems, Path(place), alone=False)) as servers:
            watcher = Watcher()
            observer = await connect(
                tools.reactor, servers[1].port, AerostackDialect(), watcher.heard
            )
            await observer.subscribe([TOPIC])
            for server in servers:
                await _join(tools, server.port, members)
            await tools.until(lambda: len(watcher.present) == 2 * members, "all members")
            watcher.joined.clear()
            killed = time.monotonic()
            servers[0].kill()
            limit = LEASE_SECONDS + grace + SPARE
            await tools.until(
                lambda: len(watcher.left) >= members or time.monotonic() > killed + limit + 10,
                "the members to leave",
            )
            took = watcher.settled - killed
            # What comes too often comes later.
            await tools.sleep(3)
            late = Watcher()
            newcomer = await connect(tools.reactor, servers[1].port, AerostackDialect(), late.heard)
            await newcomer.subscribe([TOPIC])
            await tools.until(lambda: late.present, "the set of a new subscriber")
    exact = (
        len(watcher.left) == len(set(watcher.left)) == members
        and not watcher.joined
        and len(late.present) == members
        and watcher.present == late.present
    )
    return [
        Mark(
            f"presence: {members} of {2 * members:,} members gone after a node's kill -9",
            f"{took:.1f} s" if exact else f"{len(watcher.left)} left, {len(late.present)} there",
            f"lease {LEASE_SECONDS:g} s, grace {grace:g} s",
            "-",
            f"<= {limit:g} s, exact",
            exact and took <= limit,
        )
    ]


async def _join(tools: Tools, port: int, count: int) -> None:
    """Let clients be present at a node."""
    for _ in range(count):
        wire = await connect(tools.reactor, port, AerostackDialect(), lambda *_: None)
        wire.say(AerostackDialect().track(TOPIC, {}))
