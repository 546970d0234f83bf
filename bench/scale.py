"""
Several processes and several nodes: what they cost, how fast they are, and what their clients see
when a part of them fails.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from account import Totals
from attached import memory
from balance import balance
from certificate import makeCertificate
from clusters import Cluster, Nodes, Workers
from generator import Generator
from ghosts import presence
from handshakes import openings
from latencies import ipc, nodes
from marks import HEADER as MARKS
from marks import Mark
from numbered import NumberedLoad
from outages import outage
from peers import peer
from processes import Failed, raiseLimits
from processors import measure
from reconnect import reconnect
from report import Table, lines
from stores import KEY
from system import NotInstalled
from tools import Tools
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aerostack-rt-bench"

SETTLING = 60.0
"""Seconds that the last publications have to be answered and to arrive.  It is far more than they
need."""


@dataclass(frozen=True)
class Trial:
    """
    What is killed.

    @ivar what: In words.
    @ivar none: The columns that have to be 0.
    """

    what: str
    make: Callable[[Path, random.Random], Cluster]
    none: Sequence[str] = ("lost", "doubled", "untold")


def _nodes(keeps: bool, *victims: str) -> Callable[[Path, random.Random], Cluster]:
    return lambda directory, chance: Nodes(directory, chance, keeps, victims)


EMPTY = ("doubled", "untold")

KILLS: dict[str, Trial] = {
    "worker": Trial("one of 2 workers", Workers),
    "valkey": Trial("Valkey, AOF always", _nodes(True, "valkey")),
    "node": Trial("one of 2 nodes, AOF always", _nodes(True, "node")),
    "both": Trial("Valkey and a node, AOF always", _nodes(True, "valkey", "node")),
    "valkey-empty": Trial("Valkey, empty", _nodes(False, "valkey"), EMPTY),
    "both-empty": Trial(
        "Valkey and a node, no persistence", _nodes(False, "valkey", "node"), EMPTY
    ),
}


async def run(reactor: Any, trial: Trial, kills: int, chance: random.Random) -> tuple[int, Totals]:
    """
    Kill so many times under load.

    @return: How many kills there were, and what became of the publications.
    @raise Failed: A part did not come back.
    """
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        directory = Path(place)
        directory.chmod(0o755)
        cluster = trial.make(directory, chance)
        try:
            await deferToThread(cluster.start)
            load = NumberedLoad(reactor, cluster.ports, KEY)
            try:
                await load.start()
                for _ in range(kills):
                    await _sleep(reactor, chance.uniform(0.5, 2))
                    await deferToThread(cluster.kill)
                await _sleep(reactor, 3)
                load.pause()
                await _settle(reactor, load)
                return kills, load.account.totals()
            finally:
                await load.stop()
        finally:
            await deferToThread(cluster.stop)


async def _settle(reactor: Any, load: NumberedLoad) -> None:
    """Wait until everything is answered, and until nothing more arrives."""
    deadline = time.monotonic() + SETTLING
    quiet = time.monotonic()
    before = load.account.totals()
    while time.monotonic() < deadline:
        await _sleep(reactor, 0.5)
        totals = load.account.totals()
        if totals != before or load.account.waiting():
            before, quiet = totals, time.monotonic()
        # What is missing may come late; a message that comes twice may do so, too.
        if time.monotonic() - quiet > (2 if not totals.lost else 15):
            return


def _sleep(reactor: Any, seconds: float) -> Deferred[None]:
    return deferLater(reactor, seconds, lambda: None)


COLUMNS = ("published", "acknowledged", "refused", "received")
FAULTS = ("lost", "doubled", "untold", "reordered")
HEADER = ("killed", "kills", *COLUMNS, *FAULTS, "mark", "reached")


def row(trial: Trial, kills: int, totals: Totals) -> tuple[Sequence[str], bool]:
    """
    Return a row of the table, and whether the mark is reached.
    """
    numbers = [f"{getattr(totals, name):,}" for name in (*COLUMNS, *FAULTS)]
    reached = not any(getattr(totals, name) for name in trial.none)
    mark = f"0 {', '.join(trial.none)}"
    return (trial.what, f"{kills:,}", *numbers, mark, "yes" if reached else "NO"), reached


def show(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """
    Print a table.
    """
    table = [header, *rows]
    widths = [max(len(each[i]) for each in table) for i in range(len(header))]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in table]
    print("\n".join([rule, lines[0], rule, *lines[1:], rule]))


async def kills(reactor: Any, options: argparse.Namespace) -> bool:
    """
    The scene C{kills}.

    @return: Whether all marks are reached.
    """
    rows = []
    whole = True
    for name in options.only or KILLS:
        trial = KILLS[name]
        try:
            count, totals = await run(reactor, trial, options.kills, random.Random(options.seed))
        except Failed as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            rows.append((trial.what, *("-" for _ in HEADER[2:]), "NO"))
            whole = False
            continue
        cells, reached = row(trial, count, totals)
        print("  ".join(cells), file=sys.stderr, flush=True)
        rows.append(cells)
        whole = whole and reached
    show(HEADER, rows)
    return whole


async def processors(tools: Tools) -> list[Mark]:
    """
    The processor time of two workers, compared with that of one process.
    """
    one = await deferToThread(measure, tools.generator, 1)
    two = await deferToThread(measure, tools.generator, 2)
    parts = (
        ("busiest process", one.busiest, two.busiest, 0.625),
        ("all processes", one.total, two.total, 1.15),
    )
    return [
        Mark(
            f"processors: ms each second, 2 workers, {what}",
            f"{1000 * ours:,.0f}",
            f"{1000 * against:,.0f} 1 process",
            f"{ours / against:.2f}",
            f"<= {most:g}",
            ours / against <= most,
        )
        for what, against, ours, most in parts
    ]


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
