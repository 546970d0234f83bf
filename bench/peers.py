"""
The daemon beside centrifuge with its Redis broker and presence manager, two processes of each on
the same Valkey server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latencies import TOPIC, WINDOW, Passed, drive
from marks import Mark
from pairs import CentrifugeNode, Daemon, share, valkey
from reconnect import measure
from rollback import AerostackReader, CentrifugeReader, untold
from system import System
from tools import Tools
from twisted.internet.threads import deferToThread
from wires import AerostackDialect, CentrifugeDialect

KEPT = "bench/kept"
"""Where centrifuge keeps a history from which clients can recover, as the daemon does on all
topics."""


async def peer(tools: Tools) -> list[Mark]:
    """
    The daemon's numbers beside those of centrifuge.

    @raise NotInstalled: The peer cannot be built here.
    """

    def theirs(port: int) -> System:
        return CentrifugeNode(tools.cache, port)

    await deferToThread(theirs(0).install)
    with valkey() as engine:
        shared = await deferToThread(share, engine)

        def ours(port: int) -> System:
            return Daemon(tools.cache, shared=shared.by(port))

        made = [ours(engine.port), ours(engine.port)]
        passed = await deferToThread(drive, tools, made)
        made = [theirs(engine.port), theirs(engine.port)]
        plain = await deferToThread(drive, tools, made, TOPIC)
        kept = await deferToThread(drive, tools, made, KEPT)
        marks = [
            *_compared(passed, kept, "with history", 1.5),
            *_compared(passed, plain, "without history"),
        ]
        marks += await _reconnected(tools, ours, theirs, engine)
        marks += await _rolledBack(tools, ours, theirs, engine)
    return marks


def _compared(ours: Passed, theirs: Passed, how: str, most: float | None = None) -> list[Mark]:
    label = f"centrifuge, {how}"
    ratio = ours.p50 / theirs.p50
    return [
        Mark(
            "peer: p50 at 500/s, from A to B",
            f"{ours.p50:.2f} ms",
            f"{theirs.p50:.2f} ms {label}",
            f"{ratio:.2f}",
            "-" if most is None else f"<= {most:g}",
            None if most is None else ratio <= most,
        ),
        Mark(
            "peer: p99 at 500/s, from A to B",
            f"{ours.p99:.2f} ms",
            f"{theirs.p99:.2f} ms {label}",
            f"{ours.p99 / theirs.p99:.2f}",
            "-",
            None,
        ),
        Mark(
            f"peer: publications/s through one node, {WINDOW} in flight",
            f"{ours.most:,.0f}",
            f"{theirs.most:,.0f} {label}",
            f"{ours.most / theirs.most:.2f}",
            "-",
            None,
        ),
    ]


async def _reconnected(
    tools: Tools, ours: Callable[[int], System], theirs: Callable[[int], System], engine: Any
) -> list[Mark]:
    mine = await measure(tools, ours, AerostackDialect, engine)
    other = await measure(tools, theirs, CentrifugeDialect, engine)
    count = "1,000" if tools.quick else "10,000"
    return [
        Mark(
            f"peer: {what} {count} topics",
            f"{a:.2f} s",
            f"{b:.2f} s centrifuge",
            f"{a / b:.2f}",
            "-",
            None,
        )
        for what, a, b in (
            ("subscribe to", mine.attached, other.attached),
            ("connect again to Valkey, with", mine.usable, other.usable),
        )
    ]


async def _rolledBack(
    tools: Tools, ours: Callable[[int], System], theirs: Callable[[int], System], engine: Any
) -> list[Mark]:
    lost, mine = await untold(tools, ours, AerostackDialect, AerostackReader, engine)
    engine.flush()
    otherLost, other = await untold(tools, theirs, CentrifugeDialect, CentrifugeReader, engine)
    return [
        Mark(
            "peer: untold losses, Valkey restarted from an old snapshot",
            f"{mine} of {lost} lost",
            f"{other} of {otherLost} lost centrifuge",
            "-",
            "0",
            not mine,
        )
    ]
