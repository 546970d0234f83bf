"""
The values of a keyed topic, for a newcomer.

A topic gets many values.  Then clients subscribe, one after the other, and the table shows how long
it takes from the C{subscribe} until the last value has come, and how many bytes these are.  Another
client pings every 10 ms meanwhile, and waits for each answer.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from processes import Server, freePort
from turns import OPENING, Onlooker, frame

MARK = 1.0
"""The most seconds until a newcomer has the values."""

CONFIG = """
[server]
listen = ["tcp:{port}:interface=127.0.0.1:local=1"]
workers = {workers}
[database]
url = "sqlite:///rt.db"
[limits]
frames_per_second = 1000000
frames_burst = 10000000
[topics."state/*"]
keyed = true
keys = 1000000
state_bytes = 1073741824
[projects.p]
anonymous = true
"""

COUNT_AT_ONCE = 200
"""How many values are published before their acknowledgements are awaited."""


def connect(port: int) -> socket.socket:
    """
    Open a WebSocket.
    """
    one = socket.create_connection(("127.0.0.1", port))
    one.settimeout(60)
    one.sendall(OPENING)
    one.recv(65536)
    return one


def read(one: socket.socket, text: bytes, count: int) -> int:
    """
    Read until a text has come so many times.

    @return: How many bytes were read.
    """
    size, found, rest = 0, 0, b""
    while found < count:
        data = one.recv(1 << 20)
        if not data:
            raise ConnectionError("the daemon has closed the connection")
        size += len(data)
        data = rest + data
        found += data.count(text)
        # The text may be cut by the end of what was read.
        rest = data[-len(text) + 1 :]
    return size


def fill(port: int, count: int, size: int, persist: bool) -> None:
    """
    Publish the values.
    """
    one = connect(port)
    for start in range(0, count, COUNT_AT_ONCE):
        numbers = range(start, min(count, start + COUNT_AT_ONCE))
        one.sendall(b"".join(frame(payload) for payload in _frames(numbers, size, persist)))
        read(one, b'"type":"ack"', len(numbers))
    one.close()


def _frames(numbers: range, size: int, persist: bool) -> Iterator[bytes]:
    for number in numbers:
        yield json.dumps(
            {
                "type": "publish",
                "topic": "state/bench",
                "event": "set",
                "key": f"key-{number}",
                "data": "x" * size,
                "persist": persist,
                "id": number,
            }
        ).encode()


def join(port: int, count: int) -> tuple[float, int]:
    """
    Subscribe.

    @return: The seconds until all values have come, and the bytes.
    """
    one = connect(port)
    began = time.perf_counter()
    one.sendall(frame(b'{"type":"subscribe","topic":"state/bench"}'))
    size = read(one, b'"current":true', count)
    passed = time.perf_counter() - began
    one.close()
    return passed, size


def main() -> int:
    """
    Measure, and print the results.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=100, help="of each value")
    parser.add_argument("--newcomers", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--persist", action="store_true", help="keep the values")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        port = freePort()
        config = Path(folder) / "rt.toml"
        config.write_text(CONFIG.format(port=port, workers=options.workers))
        twistd = Path(sys.executable).with_name("twistd")
        command = [twistd, "--nodaemon", "--pidfile=", "aerostack-rt", "--config", config]
        server = Server(command, port, Path(folder) / "log", {}, alone=options.workers == 1)
        try:
            server.wait()
            server.waitFor("aerostack-rt tail")
            began = time.perf_counter()
            fill(port, options.keys, options.bytes, options.persist)
            filled = options.keys / (time.perf_counter() - began)
            onlooker = Onlooker(port)
            onlooker.start()
            joins = [join(port, options.keys) for _ in range(options.newcomers)]
            wait = onlooker.stop()
        finally:
            server.stop()
    times = [passed for passed, _ in joins]
    size = joins[0][1] / 1_048_576
    print(f"{options.keys:,} values of {options.bytes} bytes, {options.newcomers} newcomers")
    print(f"publications          {filled:10,.0f} a second")
    print(f"a newcomer, median    {1000 * median(times):10,.0f} ms for {size:.1f} MiB")
    print(f"a newcomer, slowest   {1000 * max(times):10,.0f} ms")
    print(f"another client's wait {wait:10,.0f} ms at the most")
    print(f"the mark: at most {MARK:g} s: {'reached' if max(times) <= MARK else 'missed'}")
    return 0 if max(times) <= MARK else 1


if __name__ == "__main__":
    sys.exit(main())
