"""
The memory that running streams take.
"""

from __future__ import annotations

import json
from pathlib import Path

from marks import Mark
from streamparts import Bench, served
from streamwriters import StreamDialect
from wires import Wire, connect

PIECE = "0123456789abcdefghijklmnopqrstuvwxyz ,.;"

ON_TOPIC = 30
"""How many streams run on one topic."""

OVERHEAD, FACTOR = 4096, 1.3
"""The mark: bytes of a stream, and for each byte of its text."""


async def memory(bench: Bench) -> list[Mark]:
    """
    The memory of many streams, and of fewer long ones.
    """
    shapes = [(100, 10_000), (20, 100_000)] if bench.quick else [(900, 10_000), (100, 100_000)]
    return [await _of(bench, count, size) for count, size in shapes]


async def _of(bench: Bench, count: int, size: int) -> Mark:
    async with served(bench) as daemon:
        wire = await connect(bench.reactor, daemon.port, StreamDialect(), lambda *_: None)
        # The first streams also bring what all need.
        await _write(wire, "warm", 1_000_000 // size, size)
        # What they had to have kept is kept.
        await bench.sleep(3)
        before = _resident(daemon.pid)
        await _write(wire, "s", count, size)
        await bench.sleep(3)
        grown = (_resident(daemon.pid) - before) / count
    most = OVERHEAD + FACTOR * size
    return Mark(
        f"memory of each of {count:,} streams of {size:,} bytes",
        f"{grown:,.0f} bytes",
        f"{grown / size:.2f} x the text",
        f"{grown / most:.2f}",
        f"<= {most:,.0f} bytes",
        grown <= most,
    )


async def _write(wire: Wire, kind: str, count: int, size: int) -> None:
    """Begin streams, and write them piece by piece."""
    for number in range(count):
        stream = f"{kind}{number}"
        start = {"type": "stream_start", "topic": f"bench/{kind}{number // ON_TOPIC}"}
        more = {"stream": stream, "lease": 600_000, "id": "s"}
        started = await wire.ask("s", json.dumps({**start, **more}))
        append = {"type": "stream_append", "stream": stream, "epoch": started["epoch"]}
        for at in range(0, size, len(PIECE)):
            piece = {**append, "part": "0", "at": at, "text": PIECE}
            if at + len(PIECE) < size:
                wire.say(json.dumps(piece))
            else:
                await wire.ask("a", json.dumps({**piece, "id": "a"}))


def _resident(pid: int) -> int:
    """Return the bytes that a process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024
