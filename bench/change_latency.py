"""
How long a database change takes from its commit, by another process, to a subscriber.

Starts a real daemon on a database of its own, lets a second process insert rows at
random moments, and a WebSocket client in this process receive them.  The writer
notes the time at which each COMMIT returned, the client the time of each arrival.
The bound is one poll interval plus one query: a change that just missed a tick waits
for the next.
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
from pathlib import Path
from statistics import quantiles
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from aerostack.client.head import Frame
from aerostack.client.realtime import RealtimeClient

KEY = "pk_bench_0123456789"

CONFIG = """
[server]
listen = ["tcp:{port}:interface=127.0.0.1"]
[database]
url = "sqlite:///bench.db"
[tracker]
poll_interval = {interval}
tables = ["events"]
[projects.bench]
public_key = "{key}"
"""

WRITER = """
import random, sqlite3, sys, time
path, count, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
connection = sqlite3.connect(path, isolation_level=None, timeout=10)
for n in range(count):
    time.sleep(random.expovariate(rate))
    connection.execute("INSERT INTO events (n) VALUES (?)", (n,))
    print(n, time.time(), flush=True)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--changes", type=int, default=500)
    parser.add_argument("--rate", type=float, default=50, help="changes a second, at random")
    parser.add_argument("--interval", type=float, default=0.2, help="tracker.poll_interval")
    parser.add_argument("--rows", type=int, default=100_000, help="rows in the table beforehand")
    parser.add_argument("--idle", type=float, default=10, help="seconds to stay idle afterwards")
    parser.add_argument("--port", type=int, default=18787)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        react(lambda reactor: Deferred.fromCoroutine(measure(reactor, options, Path(directory))))


async def measure(reactor: Any, options: argparse.Namespace, directory: Path) -> None:
    database = directory / "bench.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, n INTEGER)")
        connection.executemany(
            "INSERT INTO events (n) VALUES (?)", ((None,) for _ in range(options.rows))
        )
        connection.commit()
    config = directory / "rt.toml"
    config.write_text(CONFIG.format(port=options.port, interval=options.interval, key=KEY))
    daemon = subprocess.Popen(
        [
            Path(sys.executable).with_name("twistd"),
            *("--nodaemon", "--pidfile=", "aerostack-rt", "--config", config),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        arrivals, idle = await follow(reactor, options, database, daemon.pid)
    finally:
        daemon.terminate()
        daemon.wait()
    report(options, arrivals, idle, database)


async def follow(
    reactor: Any, options: argparse.Namespace, database: Path, pid: int
) -> tuple[list[tuple[float, float]], float]:
    """
    Receive what the writer writes.

    @return: Pairs of commit and arrival, and the share of a processor that the
        daemon uses when nobody writes any more, its subscriber still there.
    """
    arrived: dict[int, float] = {}
    done: Deferred[None] = Deferred()

    def received(frame: Frame) -> None:
        arrived[frame["data"]["n"]] = time.time()
        if len(arrived) == options.changes:
            done.callback(None)

    url = f"ws://127.0.0.1:{options.port}"
    client = RealtimeClient(reactor, url, projectId="bench", apiKey=KEY)
    client.startService()
    await client.channel("events").on("INSERT", received).subscribe()
    arguments = (str(database), str(options.changes), str(options.rate))
    with tempfile.TemporaryFile("w+") as written:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, *arguments], stdout=written)
        await done
        writer.wait()
        written.seek(0)
        committed = {int(n): float(at) for n, at in (line.split() for line in written)}
    used = processorSeconds(pid)
    await deferLater(reactor, options.idle)
    idle = (processorSeconds(pid) - used) / options.idle
    await client.stopService()
    return [(committed[n], at) for n, at in arrived.items()], idle


def processorSeconds(pid: int) -> float:
    """The processor time that a process has used so far (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(
    options: argparse.Namespace,
    arrivals: list[tuple[float, float]],
    idle: float,
    database: Path,
) -> None:
    with closing(sqlite3.connect(database)) as connection:
        started = time.perf_counter()
        connection.execute(
            "SELECT * FROM _aerostack_changes ORDER BY seq DESC LIMIT 100"
        ).fetchall()
        query = time.perf_counter() - started
    delays = sorted((arrival - commit) * 1000 for commit, arrival in arrivals)
    cuts = quantiles(delays, n=100)
    bound = options.interval * 1000 + query * 1000
    print(
        json.dumps(
            {
                "changes": len(delays),
                "rows_in_table": options.rows,
                "poll_interval_ms": options.interval * 1000,
                "one_query_ms": round(query * 1000, 2),
                "bound_ms": round(bound, 1),
                "p50_ms": round(cuts[49], 1),
                "p90_ms": round(cuts[89], 1),
                "p99_ms": round(cuts[98], 1),
                "max_ms": round(delays[-1], 1),
                "within_bound": round(sum(d <= bound for d in delays) / len(delays), 4),
                "idle_processor_percent": round(idle * 100, 2),
                "cpus": os.cpu_count(),
                "python": sys.version.split()[0],
                "sqlite": sqlite3.sqlite_version,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
