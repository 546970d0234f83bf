"""
The change feed and its marks, on SQLite and PostgreSQL: the latency and the rate of changes, their
cost for writers, and whether every committed change arrives once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from stores import KEY, PostgresStore, SQLiteStore, Store, daemon, until
from subscriber import Subscriber


@dataclass(frozen=True)
class Mark:
    """
    A result, and its mark.
    """

    what: str
    store: str
    found: str
    wanted: str
    reached: bool


def insert(store: Store, connection: Any, n: int) -> None:
    """
    Insert one row, in a transaction of its own.
    """
    mark = store.mark
    connection.execute(f"INSERT INTO events (n, text) VALUES ({mark}, {mark})", (n, "x" * 100))


def rowsSQL(count: int) -> str:
    """
    Return the statement that inserts a number of rows.
    """
    return (
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n <"
        f" {count:d}) INSERT INTO events (n, text) SELECT n, 'a row among many others' FROM c"
    )


def latency(store: Store, directory: Path, options: argparse.Namespace) -> Iterator[Mark]:
    """
    Measure the latency from the commit to the client, woken and polled.
    """
    for wake, rate in ((True, 500), (False, 50)):
        arrived: dict[int, float] = {}
        committed: dict[int, float] = {}

        def received(frame: dict[str, Any], at: float, arrived: Any = arrived) -> None:
            arrived.setdefault(frame["data"]["n"], at)

        with daemon(store, directory, wake) as (port, pid):
            subscriber = Subscriber(port, KEY, "events", received)
            due = time.time()
            with closing(store.connect()) as connection:
                for n in range(int(rate * options.seconds)):
                    due += random.expovariate(rate)
                    time.sleep(max(0.0, due - time.time()))
                    insert(store, connection, n)
                    committed[n] = time.time()
            until(lambda c=committed, a=arrived: len(a) == len(c), 30, "the last change")
            used = processorSeconds(pid)
            time.sleep(options.seconds)
            idle = (processorSeconds(pid) - used) / options.seconds
            subscriber.close()
        delays = sorted((at - committed[n]) * 1000 for n, at in arrived.items())
        p50, p99 = (quantiles(delays, n=100)[p - 1] for p in (50, 99))
        found = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        if wake:
            reached = p50 <= 10 and p99 <= 30
            yield Mark("commit to client, woken, 500/s", store.name, found, "10 ms, 30 ms", reached)
            share = f"{idle * 100:.1f} % of a processor"
            yield Mark("one subscriber, no writes", store.name, share, "-", True)
        else:
            yield Mark(
                "commit to client, polled", store.name, found, "0.2 s + one query", p99 <= 220
            )


def processorSeconds(pid: int) -> float:
    """
    Return the processor time that a process has used so far (proc(5), utime and stime).
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sustained(store: Store, directory: Path, options: argparse.Namespace) -> Iterator[Mark]:
    """
    Measure the highest rate of changes to one subscriber, while they are written.
    """
    times: list[float] = []
    with daemon(store, directory) as (port, _):
        subscriber = Subscriber(port, KEY, "events", lambda frame, at: times.append(at))
        count = options.changes
        began = time.time()
        with closing(store.connect()) as connection:
            for _ in range(count // 100):
                connection.execute(rowsSQL(100))
        until(lambda: len(times) >= count, 120, f"{count} changes")
        subscriber.close()
    rate = count / (times[-1] - began)
    what = "sustained changes to one subscriber"
    # The mark is for PostgreSQL.
    wanted = 10_000 if store.name == "PostgreSQL" else 0
    told = f">= {wanted:,}/s" if wanted else "-"
    yield Mark(what, store.name, f"{rate:,.0f}/s", told, rate >= wanted)


def writers(store: Store, directory: Path, options: argparse.Namespace) -> Iterator[Mark]:
    """
    Measure the cost for writers.
    """
    single: dict[bool, list[float]] = {False: [], True: []}
    bulk: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(3):
        for tracked in (False, True):
            if not tracked:
                single[tracked].append(singleRate(store, options))
                bulk[tracked].append(bulkRate(store, options))
                continue
            with daemon(store, directory) as (port, _):
                subscriber = Subscriber(port, KEY, "events", lambda frame, at: None)
                single[tracked].append(singleRate(store, options))
                bulk[tracked].append(bulkRate(store, options))
                subscriber.close()
            detach(directory)
    for what, rates, wanted in (
        ("single-row inserts, watched vs unwatched", single, 0.6),
        ("rows of a bulk insert, watched vs unwatched", bulk, None),
    ):
        ours, theirs = median(rates[True]), median(rates[False])
        ratio = ours / theirs
        yield Mark(
            what,
            store.name,
            f"{ratio:.2f} ({ours:,.0f}/s of {theirs:,.0f}/s)",
            "-" if wanted is None else f">= {wanted:g}",
            wanted is None or ratio >= wanted,
        )


def detach(directory: Path) -> None:
    """
    Remove everything of the daemon from the database.
    """
    command = Path(sys.executable).with_name("aerostack-rt")
    subprocess.run(
        [str(command), "detach", "--force", "--config", str(directory / "rt.toml")],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def singleRate(store: Store, options: argparse.Namespace) -> float:
    """
    Return the rows per second, each row in a transaction of its own.
    """
    count = 0
    with closing(store.connect()) as connection:
        began = time.monotonic()
        while time.monotonic() - began < options.seconds / 2:
            insert(store, connection, count)
            count += 1
        return count / (time.monotonic() - began)


def bulkRate(store: Store, options: argparse.Namespace) -> float:
    """
    Return the rows per second, all rows in one statement.
    """
    count = options.changes
    with closing(store.connect()) as connection:
        began = time.monotonic()
        connection.execute(rowsSQL(count))
        return count / (time.monotonic() - began)


def committed(store: Store, directory: Path, options: argparse.Namespace) -> Iterator[Mark]:
    """
    Run several writers with savepoints and rollbacks, and compare committed rows with changes.
    """
    seen: Counter[int] = Counter()
    kept: list[int] = []
    lock = threading.Lock()

    def write(number: int, stop: float) -> None:
        chance = random.Random(number)
        mine = 0
        begin = "BEGIN IMMEDIATE" if store.name == "SQLite" else "BEGIN"
        with closing(store.connect()) as connection:
            while time.monotonic() < stop:
                rows = []
                connection.execute(begin)
                for _ in range(chance.randrange(1, 5)):
                    undone = chance.random() < 0.3
                    if undone:
                        connection.execute("SAVEPOINT s")
                    mine += 1
                    insert(store, connection, mine * 10 + number)
                    if undone:
                        connection.execute("ROLLBACK TO s")
                    else:
                        rows.append(mine * 10 + number)
                    if chance.random() < 0.05:
                        time.sleep(chance.random() / 20)
                if chance.random() < 0.2:
                    connection.execute("ROLLBACK")
                    continue
                connection.execute("COMMIT")
                with lock:
                    kept.extend(rows)

    with daemon(store, directory) as (port, _):
        subscriber = Subscriber(
            port, KEY, "events", lambda frame, at: seen.update([frame["data"]["n"]])
        )
        stop = time.monotonic() + options.torture
        threads = [threading.Thread(target=write, args=(number, stop)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: seen.total() >= len(kept), 60, "the last change")
        time.sleep(1)
        subscriber.close()
    lost = len(set(kept) - set(seen))
    odd = seen.total() - len(kept) + lost
    yield Mark(
        f"4 writers, savepoints and rollbacks, {options.torture:g} s",
        store.name,
        f"{len(kept):,} committed, {lost} lost, {odd} too many",
        "0, 0",
        not lost and not odd,
    )


def filtered(options: argparse.Namespace) -> Iterator[Mark]:
    """
    Measure the cost of a change with few filtered subscribers and with many.
    """
    command = [sys.executable, str(Path(__file__).with_name("filters.py"))]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    yield Mark(
        "a change, 10,000 filtered subscribers vs 10",
        "-",
        f"{found['ratio']:.2f}",
        f"<= {found['mark']:g}",
        found["reached"],
    )


Scene = Callable[[Store, Path, argparse.Namespace], Iterator[Mark]]

SCENES: dict[str, Scene] = {
    "latency": latency,
    "sustained": sustained,
    "writers": writers,
    "committed": committed,
}

STORES: dict[str, Callable[[Path], Store]] = {"sqlite": SQLiteStore, "postgresql": PostgresStore}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="how long to hold each rate")
    parser.add_argument("--changes", type=int, default=100_000, help="how many changes to sustain")
    parser.add_argument("--torture", type=float, default=60, help="seconds of concurrent writers")
    parser.add_argument("--only", choices=STORES, help="only this database")
    parser.add_argument("--scene", choices=SCENES, help="only this scene")
    options = parser.parse_args()
    marks = []
    for name, make in STORES.items():
        if options.only not in (None, name):
            continue
        for scene, run in SCENES.items():
            if options.scene not in (None, scene):
                continue
            with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place:
                directory = Path(place)
                directory.chmod(0o755)
                for mark in run(make(directory), directory, options):
                    print(f"{mark.store}: {mark.what}: {mark.found}", file=sys.stderr, flush=True)
                    marks.append(mark)
    if options.scene is None:
        marks += filtered(options)
    rows = [("what", "database", "found", "mark", "reached")]
    rows += [(m.what, m.store, m.found, m.wanted, "yes" if m.reached else "NO") for m in marks]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    print("\n".join([rule, lines[0].rstrip(), rule, *(line.rstrip() for line in lines[1:]), rule]))
    if not all(mark.reached for mark in marks):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
