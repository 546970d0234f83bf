"""
Whether publications get lost or doubled when parts of the daemons are killed.

Clients publish numbered events, and subscribers count what arrives.  Meanwhile one part after the
other is killed with SIGKILL and comes back.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from account import Totals
from clusters import Cluster, Nodes, Workers
from killplan import Plan, spread
from numbered import RATE, NumberedLoad
from processes import Failed
from stores import KEY
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

SETTLING = 60.0
"""Seconds that the last publications have to be answered and to arrive.  It is far more than they
need."""

TOLD = 20
"""After how many kills of a cluster a line says how far it is."""


@dataclass(frozen=True)
class Trial:
    """
    What is killed.

    @ivar what: In words.
    @ivar none: The columns that have to be 0.
    @ivar clusters: How many clusters share the kills, at the same time.  They share the load too.
    """

    what: str
    make: Callable[[Path, random.Random], Cluster]
    none: Sequence[str] = ("lost", "doubled", "untold")
    clusters: int = 1


def _nodes(
    keeps: bool, *victims: str, workers: int = 1
) -> Callable[[Path, random.Random], Cluster]:
    return lambda directory, chance: Nodes(directory, chance, keeps, victims, workers)


EMPTY = ("doubled", "untold")

KILLS: dict[str, Trial] = {
    # A daemon ends if five workers die within a minute.
    "worker": Trial("one of 4 workers", Workers, clusters=4),
    "valkey": Trial("Valkey, AOF always", _nodes(True, "valkey")),
    "node": Trial("one of 2 nodes, AOF always", _nodes(True, "node")),
    "both": Trial("Valkey and a node, AOF always", _nodes(True, "valkey", "node")),
    "valkey-empty": Trial("Valkey, empty", _nodes(False, "valkey"), EMPTY),
    "both-empty": Trial(
        "Valkey and a node, no persistence", _nodes(False, "valkey", "node"), EMPTY
    ),
    "workers-valkey": Trial(
        "Valkey, AOF always; nodes with 2 workers", _nodes(True, "valkey", workers=2)
    ),
    "workers-each": Trial(
        "Valkey and a worker; nodes with 2", _nodes(True, "valkey", "worker", workers=2)
    ),
    "workers-empty": Trial(
        "Valkey and a node with 2 workers, no persistence",
        _nodes(False, "valkey", "node", workers=2),
        EMPTY,
    ),
}


async def run(
    reactor: Any, name: str, kills: int, minutes: float | None, chance: random.Random
) -> tuple[int, Totals]:
    """
    Kill under load.

    @param name: One of L{KILLS}.
    @param kills: How often to kill.
    @param minutes: After how many minutes to kill no more; L{None} for no such bound.
    @return: How many kills there were, and what became of the publications.
    @raise Failed: A part did not come back.
    """
    trial = KILLS[name]
    rate = RATE / trial.clusters
    done, totals = 0, Totals()
    for count, found in await spread(
        trial.clusters,
        kills,
        minutes,
        chance,
        lambda plan, own: _run(reactor, name, plan, rate, own),
    ):
        done += count
        totals += found
    return done, totals


async def _run(
    reactor: Any, name: str, plan: Plan, rate: float, chance: random.Random
) -> tuple[int, Totals]:
    """
    Kill in one cluster.

    @param rate: The publications a second of each publisher.
    """
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        directory = Path(place)
        directory.chmod(0o755)
        cluster = KILLS[name].make(directory, chance)
        try:
            await deferToThread(cluster.start)
            load = NumberedLoad(reactor, cluster.ports, KEY, rate)
            try:
                await load.start()
                done = 0
                while plan.goesOn(done):
                    await _sleep(reactor, chance.uniform(0.5, 2))
                    await deferToThread(cluster.kill)
                    done += 1
                    if not done % TOLD:
                        print(f"{name}: {done} kills", file=sys.stderr, flush=True)
                await _sleep(reactor, 3)
                load.pause()
                await _settle(reactor, load)
                return done, load.account.totals()
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
HEADER = ("killed", "kills", "minutes", *COLUMNS, *FAULTS, "mark", "reached")


def row(trial: Trial, kills: int, seconds: float, totals: Totals) -> tuple[Sequence[str], bool]:
    """
    Return a row of the table, and whether the mark is reached.
    """
    numbers = [f"{getattr(totals, name):,}" for name in (*COLUMNS, *FAULTS)]
    reached = not any(getattr(totals, name) for name in trial.none)
    mark = f"0 {', '.join(trial.none)}"
    reach = "yes" if reached else "NO"
    return (trial.what, f"{kills:,}", f"{seconds / 60:.1f}", *numbers, mark, reach), reached


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
        trial, began = KILLS[name], time.monotonic()
        try:
            count, totals = await run(
                reactor, name, options.kills, options.minutes, random.Random(options.seed)
            )
        except Failed as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            rows.append((trial.what, *("-" for _ in HEADER[2:]), "NO"))
            whole = False
            continue
        cells, reached = row(trial, count, time.monotonic() - began, totals)
        print("  ".join(cells), file=sys.stderr, flush=True)
        rows.append(cells)
        whole = whole and reached
    show(HEADER, rows)
    return whole
