"""
What it costs writers that their transactions emit events, and how soon the events arrive.

Eight writers have transactions of 100 ms that emit an event each.  If they do not wait for each
other, they make eight times as many transactions as one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from processes import freePort
from stores import KEY, postgres, until
from subscriber import Subscriber

CONFIG = """
[server]
listen = ["tcp:{port}:interface=127.0.0.1"]
[database]
url = "{url}"
[tracker]
emit = true
[projects.bench]
public_key = "{key}"
"""

WRITERS = 8

PAUSE = 0.1
"""How many seconds a transaction takes beside the event."""

MARK = 7.0
"""How many times as many transactions the eight writers have to make."""

EMIT = "SELECT aerostack.emit('bench/a', 'e', %s::jsonb)"


def serve(database: Any, directory: Path) -> tuple[subprocess.Popen[bytes], int]:
    """
    Start a daemon, and let the owner of the database emit.

    @return: The daemon, and its port.
    """
    port, config = freePort(), directory / "rt.toml"
    config.write_text(CONFIG.format(port=port, url=database.url, key=KEY))
    command = [
        str(Path(sys.executable).with_name("twistd")),
        *("--nodaemon", "--pidfile=", "aerostack-rt", "--config", str(config)),
    ]
    with open(directory / "log", "a") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)

    def isThere() -> bool:
        return bool(database.execute("SELECT 1 FROM pg_proc WHERE proname = 'emit'"))

    until(isThere, 30, "the start of the daemon")
    from tests.postgres import OWNER, ROLE

    database.execute(
        f"GRANT USAGE ON SCHEMA aerostack TO {OWNER}",
        f"GRANT EXECUTE ON FUNCTION aerostack.emit TO {OWNER}",
        user=ROLE,
    )
    return daemon, port


def transactions(database: Any, writers: int, seconds: float, work: Callable[[Any], None]) -> float:
    """
    Let writers make transactions.

    @param work: What a transaction does.
    @return: How many transactions all of them have committed per second.
    """
    counts = [0] * writers
    ready = threading.Barrier(writers)
    begin = 0.0

    def write(number: int) -> None:
        nonlocal begin
        with closing(database.connect()) as connection:
            if ready.wait() == 0:
                begin = time.monotonic()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                connection.execute("BEGIN")
                work(connection)
                connection.execute("COMMIT")
                counts[number] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - begin)


def slow(connection: Any) -> None:
    """
    A transaction that emits first, and then takes its time.
    """
    connection.execute(EMIT, ("1",))
    time.sleep(PAUSE)


def quick(connection: Any) -> None:
    """
    A transaction that only emits.
    """
    connection.execute(EMIT, ("1",))


def latencies(database: Any, port: int, count: int) -> list[float]:
    """
    Measure the time from before an event is emitted until a subscriber has it, in ms.
    """
    arrived: dict[int, float] = {}
    subscriber = Subscriber(
        port, KEY, "bench/a", lambda frame, at: arrived.setdefault(frame["data"], at)
    )
    found: list[float] = []
    with closing(database.connect()) as connection:
        # The transactions before have emitted the number 1.
        for number in range(2, count + 2):
            began = time.time()
            connection.execute(EMIT, (str(number),))
            until(lambda number=number: number in arrived, 10, "an event")
            found.append(1000 * (arrived[number] - began))
    subscriber.close()
    return found


def main() -> None:
    """
    Measure, and print what was found.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each run takes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        database = postgres()
        daemon, port = serve(database, Path(directory))
        try:
            rates = [transactions(database, n, options.seconds, slow) for n in (1, WRITERS)]
            ratio = rates[1] / rates[0]
            print(f"transactions of {1000 * PAUSE:.0f} ms that emit, per second")
            print(f"  1 writer:  {rates[0]:8.1f}")
            print(f"  {WRITERS} writers: {rates[1]:8.1f}")
            verdict = "reached" if ratio >= MARK else "missed"
            print(f"  ratio:     {ratio:8.2f}  (mark: {MARK:g}, {verdict})")
            rates = [transactions(database, n, options.seconds, quick) for n in (1, WRITERS)]
            print("transactions that only emit, per second")
            print(f"  1 writer:  {rates[0]:8.0f}")
            print(f"  {WRITERS} writers: {rates[1]:8.0f}")

            def isEmpty() -> bool:
                from tests.postgres import ROLE

                left = database.execute("SELECT count(*) FROM _aerostack.emitted", user=ROLE)
                return bool(left == [(0,)])

            began = time.monotonic()
            until(isEmpty, 120, "publishing what was emitted")
            print(f"  the daemon has published all of it {time.monotonic() - began:.2f} s later")
            times = sorted(latencies(database, port, 200))
            print("from the statement to a subscriber, ms")
            print(f"  median: {statistics.median(times):.1f}  p99: {times[-3]:.1f}")
        finally:
            daemon.terminate()
            daemon.wait()


if __name__ == "__main__":
    main()
