"""
Several processes and several nodes: what they cost, how fast they are, and what their clients see
when a part of them fails.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from attached import memory
from balance import balance
from certificate import makeCertificate
from generator import Generator
from ghosts import presence
from handshakes import openings
from kills import KILLS, kills
from latencies import ipc, nodes
from marks import HEADER as MARKS
from marks import Mark
from outages import outage
from peers import peer
from processes import Failed, raiseLimits
from processors import processors
from reconnect import reconnect
from system import NotInstalled
from tables import Table, lines
from tools import Tools
from twisted.internet.task import react

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aerostack-rt-bench"


Scene = Callable[[Tools], Awaitable[list[Mark]]]

SCENES: dict[str, Scene] = {
    "processors": processors,
    "openings": openings,
    "ipc": ipc,
    "balance": balance,
    "nodes": nodes,
    "reconnect": reconnect,
    "outage": outage,
    "presence": presence,
    "memory": memory,
    "peer": peer,
}


async def marks(reactor: Any, options: argparse.Namespace, names: Sequence[str]) -> bool:
    """
    Run scenes other than C{kills}, and print one table.

    @return: Whether all marks are reached.
    """
    found: list[Mark] = []
    options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        directory = Path(place)
        tools = Tools(
            reactor,
            Generator(directory),
            makeCertificate(directory),
            options.cache.resolve(),
            options.quick,
        )
        for name in names:
            began = time.monotonic()
            try:
                found += await SCENES[name](tools)
            except (Failed, NotInstalled) as error:
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                found.append(Mark(name, "failed", "-", "-", "-", False))
            seconds = time.monotonic() - began
            print(f"{name}: {seconds:.0f} s", file=sys.stderr, flush=True)
    print("\n".join(lines(Table("", "", MARKS, [each.row() for each in found], 1))))
    return not any(each.reached is False for each in found)


async def main(reactor: Any) -> None:
    names = ("kills", *SCENES)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", choices=names, nargs="+", help="only these scenes")
    parser.add_argument("--but", choices=names, nargs="+", default=[], help="not these scenes")
    parser.add_argument("--quick", action="store_true", help="a smoke run, with small numbers")
    parser.add_argument("--only", choices=KILLS, nargs="+", help="only these rows of kills")
    parser.add_argument("--kills", type=int, default=20, help="how often to kill, for each row")
    parser.add_argument("--minutes", type=float, help="after how many to end each row of kills")
    parser.add_argument("--seed", type=int, default=1, help="of what to kill, and when")
    parser.add_argument(
        "--cache", type=Path, metavar="DIRECTORY", default=CACHE, help="for the peer (%(default)s)"
    )
    options = parser.parse_args()
    raiseLimits()
    chosen = [name for name in options.scene or names if name not in options.but]
    whole = True
    if "kills" in chosen:
        whole = await kills(reactor, options)
    if others := [name for name in SCENES if name in chosen]:
        whole = await marks(reactor, options, others) and whole
    if not whole:
        raise SystemExit(1)


if __name__ == "__main__":
    react(main)
