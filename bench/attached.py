"""
The memory that a hub needs for topics on which nothing happens.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from marks import Mark
from pairs import Daemon, running
from processes import Server
from tools import Tools, aside
from wires import AerostackDialect, connect

EACH = 1_000
"""How many topics one client has."""

MEBIBYTE = 1 << 20


def _resident(server: Server) -> int:
    """Return the bytes that a daemon's first process has in memory."""
    status = Path(f"/proc/{server.pids()[0]}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


async def memory(tools: Tools) -> list[Mark]:
    """
    What the hub takes more when workers have attached many topics.
    """
    count = 10_000 if tools.quick else 100_000
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        daemons = [Daemon(tools.cache, workers=2)]
        async with aside(running(daemons, Path(place), alone=False)) as (server,):
            # The first topics also bring what all need.
            await _attach(tools, server, range(0, EACH))
            before = _resident(server)
            for start in range(EACH, count + EACH, EACH):
                await _attach(tools, server, range(start, start + EACH))
            grown = _resident(server) - before
    most = 100 * MEBIBYTE * count / 100_000
    return [
        Mark(
            f"memory: the hub's for {count:,} idle attached topics",
            f"{grown / MEBIBYTE:.1f} MiB",
            f"{grown / count:,.0f} bytes a topic",
            f"{grown / most:.2f}",
            f"<= {most / MEBIBYTE:g} MiB",
            grown <= most,
        )
    ]


async def _attach(tools: Tools, server: Server, numbers: range) -> None:
    wire = await connect(tools.reactor, server.port, AerostackDialect(), lambda *_: None)
    await wire.subscribe(f"bench/{number}" for number in numbers)
