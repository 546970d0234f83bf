"""
Several processes and several nodes: whether publications get lost or doubled when parts of them
are killed.

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
from generator import Generator
from numbered import NumberedLoad
from processes import Failed, raiseLimits
from processors import measure
from stores import KEY
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

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


async def processors(reactor: Any, options: argparse.Namespace) -> bool:
    """
    The scene C{processors}.

    @return: Whether all marks are reached.
    """
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        generator = Generator(Path(place))
        one = await deferToThread(measure, generator, 1)
        two = await deferToThread(measure, generator, 2)
    less, more = two.busiest / one.busiest, two.total / one.total
    rows = [
        ("busiest process", *_milli(one.busiest, two.busiest), f"{less:.2f}", "<= 0.625"),
        ("all processes", *_milli(one.total, two.total), f"{more:.2f}", "<= 1.15"),
    ]
    reached = [less <= 0.625, more <= 1.15]
    header = (
        "processor time, ms each second",
        "1 process",
        "2 workers",
        "ratio",
        "mark",
        "reached",
    )
    show(header, [(*r, "yes" if good else "NO") for r, good in zip(rows, reached, strict=True)])
    return all(reached)


def _milli(*seconds: float) -> list[str]:
    return [f"{1000 * each:,.0f}" for each in seconds]


SCENES = {"kills": kills, "processors": processors}


async def main(reactor: Any) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", choices=SCENES, help="only this scene")
    parser.add_argument("--only", choices=KILLS, nargs="+", help="only these rows of kills")
    parser.add_argument("--kills", type=int, default=20, help="how often to kill, for each row")
    parser.add_argument("--seed", type=int, default=1, help="of what to kill, and when")
    options = parser.parse_args()
    raiseLimits()
    whole = True
    for name, scene in SCENES.items():
        if options.scene in (None, name):
            whole = await scene(reactor, options) and whole
    if not whole:
        raise SystemExit(1)


if __name__ == "__main__":
    react(main)
