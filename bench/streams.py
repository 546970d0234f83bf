"""
Token streams: answers of models that pass through the daemon, cancelled streams, memory, and what
becomes of streams when a part of the daemon or a producer is killed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from answermemory import memory
from cancels import cancels
from kills import show
from marks import HEADER as MARKS
from marks import Mark
from processes import Failed, raiseLimits
from relays import first, relays
from streamkills import HEADER, KILLS, row, run
from streamparts import Bench
from tables import Table, lines
from twisted.internet.task import react

SCENES: dict[str, Callable[[Bench], Awaitable[list[Mark]]]] = {
    "first": first,
    "relays": relays,
    "cancel": cancels,
    "memory": memory,
}


async def scenes(bench: Bench, names: Sequence[str]) -> bool:
    """
    Run scenes in which nothing is killed, and print one table.

    @return: Whether all marks are reached.
    """
    found: list[Mark] = []
    for name in names:
        began = time.monotonic()
        try:
            found += await SCENES[name](bench)
        except Failed as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            found.append(Mark(name, "failed", "-", "-", "-", False))
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print("\n".join(lines(Table("", "", MARKS, [each.row() for each in found], 1))))
    return not any(each.reached is False for each in found)


async def kills(reactor: Any, options: argparse.Namespace, names: Sequence[str]) -> bool:
    """
    Kill, and print one table.

    @return: Whether all marks are reached.
    """
    rows, whole = [], True
    for name in names:
        began = time.monotonic()
        try:
            count, totals = await run(
                reactor, name, options.kills, options.minutes, random.Random(options.seed)
            )
        except Failed as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            rows.append((KILLS[name].what, *("-" for _ in HEADER[2:]), "NO"))
            whole = False
            continue
        cells, reached = row(KILLS[name], count, time.monotonic() - began, totals)
        print("  ".join(cells), file=sys.stderr, flush=True)
        rows.append(cells)
        whole = whole and reached
    show(HEADER, rows)
    return whole


async def main(reactor: Any) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=(*SCENES, *KILLS), nargs="+", help="only these rows")
    parser.add_argument("--quick", action="store_true", help="a smoke run, with small numbers")
    parser.add_argument("--kills", type=int, default=100, help="how often to kill, for each row")
    parser.add_argument("--minutes", type=float, help="after how many to end each row of kills")
    parser.add_argument("--seed", type=int, default=1, help="of what to kill, and when")
    options = parser.parse_args()
    raiseLimits()
    chosen = options.only or (*SCENES, *KILLS)
    whole = True
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
        bench = Bench(reactor, options.quick, Path(place))
        if measured := [name for name in SCENES if name in chosen]:
            whole = await scenes(bench, measured)
    if killed := [name for name in KILLS if name in chosen]:
        whole = await kills(reactor, options, killed) and whole
    if not whole:
        raise SystemExit(1)


if __name__ == "__main__":
    react(main)
