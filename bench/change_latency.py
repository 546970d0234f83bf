"""
How long a database change takes from its commit, by another process, to a subscriber; and
what an idle database costs.

Starts a real daemon on a database of its own, lets a second process insert rows at
random moments, and a WebSocket client in this process receive them.  The writer
notes the time at which each COMMIT returned, the client the time of each arrival.

Both ways of finding changes are measured, one after the other: polled, where the bound is
one poll interval plus one query, because a change that just missed a tick waits for the
next; and woken, where the writers' writes wake the daemon.  Then it is told whether the
marks are reached.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import deferLater, react

from aerostack.client.address import Address
from aerostack.client.connection import Frame, Wire, WireFactory

KEY = "pk_bench_0123456789"

CONFIG = """
[server]
listen = ["tcp:{port}:interface=127.0.0.1"]
[database]
url = "sqlite:///bench.db"
[tracker]
poll_interval = {interval}
wake = {wake}
tables = ["events"]
[projects.bench]
public_key = "{key}"
"""

WRITER = """
import random, sqlite3, sys, time
path, count, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
connection = sqlite3.connect(path, isolation_level=None, timeout=10)
due = time.time()
for n in range(count):
    due += random.expovariate(rate)
    time.sleep(max(0, due - time.time()))
    connection.execute("INSERT INTO events (n) VALUES (?)", (n,))
    print(n, time.time(), flush=True)
"""

WOKEN_P50, WOKEN_P99 = 10.0, 30.0
"""The marks for woken changes, in milliseconds, at 500 changes a second."""


@dataclass(frozen=True)
class Result:
    """
    What was measured of one daemon.

    @ivar delays: From commit to arrival, in milliseconds, sorted.
    @ivar rate: How many changes a second the writer managed.
    @ivar query: What one query of the journal takes, in milliseconds.
    @ivar busy: The share of a processor that the daemon used meanwhile.
    @ivar idle: The share that it uses when nobody writes, its subscriber still there.
    """

    delays: list[float]
    rate: float
    query: float
    busy: float
    idle: float

    def percentile(self, percent: int) -> float:
        """The delay that so many percent of changes do not exceed."""
        return quantiles(self.delays, n=100)[percent - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=10, help="for how long to write")
    parser.add_argument("--rate", type=float, default=500, help="changes a second, at random")
    parser.add_argument("--polled-rate", type=float, default=50, help="the same, while polled")
    parser.add_argument("--interval", type=float, default=0.2, help="tracker.poll_interval")
    parser.add_argument("--rows", type=int, default=100_000, help="rows in the table beforehand")
    parser.add_argument("--idle", type=float, default=10, help="seconds to stay idle afterwards")
    parser.add_argument("--only", choices=("polled", "woken"), help="measure only one of them")
    parser.add_argument("--port", type=int, default=18787)
    options = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, options)))


async def run(reactor: Any, options: argparse.Namespace) -> None:
    reached = True
    for way in ("polled", "woken"):
        if options.only not in (None, way):
            continue
        rate = options.rate if way == "woken" else options.polled_rate
        with tempfile.TemporaryDirectory() as directory:
            result = await measure(reactor, options, Path(directory), way == "woken", rate)
        reached = report(options, way, result) and reached
    if not reached:
        raise SystemExit(1)


async def measure(
    reactor: Any, options: argparse.Namespace, directory: Path, wake: bool, rate: float
) -> Result:
    database = directory / "bench.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, n INTEGER)")
        connection.executemany(
            "INSERT INTO events (n) VALUES (?)", ((None,) for _ in range(options.rows))
        )
        connection.commit()
    config = directory / "rt.toml"
    config.write_text(
        CONFIG.format(port=options.port, interval=options.interval, wake=str(wake).lower(), key=KEY)
    )
    daemon = subprocess.Popen(
        [
            Path(sys.executable).with_name("twistd"),
            *("--nodaemon", "--pidfile=", "aerostack-rt", "--config", config),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        return await follow(reactor, options, database, daemon.pid, rate)
    finally:
        daemon.terminate()
        daemon.wait()


async def follow(
    reactor: Any, options: argparse.Namespace, database: Path, pid: int, rate: float
) -> Result:
    """
    Receive what the writer writes.
    """
    changes = int(options.seconds * rate)
    arrived: dict[int, float] = {}
    done: Deferred[None] = Deferred()
    subscribed: Deferred[None] = Deferred()

    def received(frame: Frame) -> None:
        if frame["type"] == "subscribed":
            subscribed.callback(None)
        elif frame["type"] == "db_change":
            arrived[frame["data"]["n"]] = time.time()
            if len(arrived) == changes:
                done.callback(None)

    def opened(wire: Wire) -> None:
        wire.tell({"type": "subscribe", "topic": "events"})

    address = Address(f"ws://127.0.0.1:{options.port}", "bench", key=KEY)
    factory = WireFactory(reactor, address, opened, received, lambda code, reason: None)
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", options.port)
    for _ in range(100):
        try:
            wire = await endpoint.connect(factory)
            break
        except ConnectionRefusedError:
            await deferLater(reactor, 0.1)
    await subscribed
    arguments = (str(database), str(changes), str(rate))
    used, began = processorSeconds(pid), time.time()
    with tempfile.TemporaryFile("w+") as written:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=written)
        await done
        writer.wait()
        written.seek(0)
        committed = {int(n): float(at) for n, at in (line.split() for line in written)}
    busy = (processorSeconds(pid) - used) / (time.time() - began)
    used = processorSeconds(pid)
    await deferLater(reactor, options.idle)
    idle = (processorSeconds(pid) - used) / options.idle
    wire.sendClose(1000)
    times = sorted(committed.values())
    return Result(
        sorted((at - committed[n]) * 1000 for n, at in arrived.items()),
        (len(times) - 1) / (times[-1] - times[0]),
        query(database),
        busy,
        idle,
    )


def query(database: Path) -> float:
    """
    What one query of the journal takes, in milliseconds.
    """
    with closing(sqlite3.connect(database)) as connection:
        started = time.perf_counter()
        connection.execute(
            "SELECT * FROM _aerostack_changes ORDER BY seq DESC LIMIT 100"
        ).fetchall()
        return (time.perf_counter() - started) * 1000


def processorSeconds(pid: int) -> float:
    """The processor time that a process has used so far (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(options: argparse.Namespace, way: str, result: Result) -> bool:
    """
    Print what was measured.

    @return: Whether its marks are reached.
    """
    bound = options.interval * 1000 + result.query
    p50, p99 = result.percentile(50), result.percentile(99)
    marks = (
        {
            f"p50 <= {WOKEN_P50:g} ms": p50 <= WOKEN_P50,
            f"p99 <= {WOKEN_P99:g} ms": p99 <= WOKEN_P99,
        }
        if way == "woken"
        else {f"p99 <= {bound:.1f} ms, one interval and one query": p99 <= bound}
    )
    print(
        json.dumps(
            {
                "way": way,
                "changes": len(result.delays),
                "changes_per_second": round(result.rate, 1),
                "rows_in_table": options.rows,
                "poll_interval_ms": options.interval * 1000,
                "one_query_ms": round(result.query, 2),
                "p50_ms": round(p50, 1),
                "p90_ms": round(result.percentile(90), 1),
                "p99_ms": round(p99, 1),
                "max_ms": round(result.delays[-1], 1),
                "busy_processor_percent": round(result.busy * 100, 2),
                "idle_processor_percent": round(result.idle * 100, 2),
                "marks": {mark: "reached" if ok else "missed" for mark, ok in marks.items()},
                "cpus": os.cpu_count(),
                "python": sys.version.split()[0],
                "sqlite": sqlite3.sqlite_version,
            },
            indent=2,
        ),
        flush=True,
    )
    return all(marks.values())


if __name__ == "__main__":
    main()
