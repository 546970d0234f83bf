"""
The time from a publication to its delivery, and how many publications a second pass, where
publisher and subscriber are in different processes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from marks import Mark
from pairs import Daemon, running, share, valkey
from system import System
from tools import Tools
from twisted.internet.threads import deferToThread

RATE = 500
"""Publications a second, where the time is measured."""

WINDOW = 256
"""Publications in flight, where their number is measured."""

TOPIC = "bench/x"


@dataclass(frozen=True)
class Passed:
    """
    What passed from a publisher to a subscriber.

    @ivar p50: Milliseconds at L{RATE}.
    @ivar p99: Milliseconds at L{RATE}.
    @ivar most: Publications a second with L{WINDOW} in flight, from and to clients of the first
        process.
    @ivar spent: Microseconds of processor time that each of these takes in that process, or in all
        processes if it has workers.
    """

    p50: float
    p99: float
    most: float
    spent: float


def drive(tools: Tools, systems: Sequence[System], topic: str = TOPIC) -> Passed:
    """
    Let a client publish at the first process of a system, and another one subscribe at the last.

    @param topic: Where they meet.
    @return: Medians of several runs.
    @raise Failed: A process did not serve.
    """
    seconds, rounds = (1, 1) if tools.quick else (4, 3)
    found = []
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place,
            running(systems, Path(place)) as servers,
        ):
            found.append(_driveOnce(tools, systems[0], servers, topic, seconds))
    return Passed(*(median(values) for values in zip(*found, strict=True)))


def _driveOnce(
    tools: Tools, system: System, servers: Sequence[Any], topic: str, seconds: int
) -> tuple[float, float, float, float]:
    first, last = servers[0], servers[-1]
    settings: dict[str, object] = {"subscribers": 1, "topic": topic, "wire": 0}
    (slow,) = tools.generator.drive(
        last,
        system.dialect,
        system.credentials,
        ["fanout", f"r{RATE}:{seconds}"],
        publisher=first.port,
        **settings,
    )
    (fast,) = tools.generator.drive(
        first, system.dialect, system.credentials, ["fanout", f"w{WINDOW}:{seconds}"], **settings
    )
    spent = 1e4 * fast["cpu"] / fast["deliveries"]
    return slow["p50"], slow["p99"], fast["deliveries"], spent


async def ipc(tools: Tools) -> list[Mark]:
    """
    The time that the way from one worker to another one adds.
    """
    one = await deferToThread(drive, tools, [Daemon(tools.cache)])
    two = await deferToThread(drive, tools, [Daemon(tools.cache, workers=2)])
    return [
        _added("ipc: p50 at 500/s, 2 workers", two.p50, one.p50, "1 process", 0.5),
        _most("ipc: publications/s", two, one, "1 process"),
        _spent("ipc: processor time of each, all processes", two, one, "1 process"),
    ]


async def nodes(tools: Tools) -> list[Mark]:
    """
    The time that the way over Valkey adds, and how many publications a second pass through one
    node.
    """
    with valkey() as engine:
        alone = await deferToThread(drive, tools, [Daemon(tools.cache)])
        shared = await deferToThread(share, engine)
        pair = [Daemon(tools.cache, shared=shared) for _ in range(2)]
        two = await deferToThread(drive, tools, pair)
    return [
        _added("nodes: p50 at 500/s, from A to B", two.p50, alone.p50, "1 process", 1.0),
        _most("nodes: publications/s through one node", two, alone, "no engine", 8_000),
        _spent("nodes: processor time of each, the node's", two, alone, "no engine"),
    ]


def _added(what: str, ours: float, against: float, other: str, most: float) -> Mark:
    added = ours - against
    return Mark(
        what,
        f"{ours:.2f} ms",
        f"{against:.2f} ms {other}",
        f"{added:+.2f} ms",
        f"<= +{most:g} ms",
        added <= most,
    )


def _most(what: str, ours: Passed, against: Passed, other: str, least: float | None = None) -> Mark:
    return Mark(
        f"{what}, {WINDOW} in flight",
        f"{ours.most:,.0f}",
        f"{against.most:,.0f} {other}",
        f"{ours.most / against.most:.2f}",
        "-" if least is None else f">= {least:,.0f}",
        None if least is None else ours.most >= least,
    )


def _spent(what: str, ours: Passed, against: Passed, other: str) -> Mark:
    return Mark(
        what,
        f"{ours.spent:,.0f} us",
        f"{against.spent:,.0f} us {other}",
        f"{ours.spent / against.spent:.2f}",
        "-",
        None,
    )
