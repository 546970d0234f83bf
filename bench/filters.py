"""
What a change costs with few filtered subscribers and with many, one of whom it matters to.

Two daemons without sockets and without a database in this process: in one, 10 clients are
subscribed to a table, each to the rows of its own room, in the other 10,000.  The same
changes are told in both, in turns, and the processor's time is taken from the moment at
which the tracker tells a change until the frame has been handed to the one connection that
gets it.  Beside it stands what it costs to subscribe, while changes flow.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from statistics import median
from typing import Any

from aerostack.auth.authenticator import Credentials
from aerostack.core.rows.changes import INSERT, UPDATE, Change
from aerostack.core.rows.columns import ColumnType
from aerostack.sessions.session import Session
from aerostack.testing import MemoryClient, MemoryConnection, World

MARK = 1.5
"""What a change may cost with many subscribers, beside what it costs with few."""


class Sink(MemoryConnection):
    """
    A socket that only counts what is sent.
    """

    sent = 0

    def send(self, frame: bytes) -> None:
        Sink.sent += 1


class Feed:
    """
    A table, and subscribers who each want the rows of a room of their own.
    """

    def __init__(self, subscribers: int) -> None:
        self.world = World()
        self.world.tracker.shape = {
            "id": ColumnType.NUMBER,
            "org_id": ColumnType.NUMBER,
            "room_id": ColumnType.NUMBER,
            "text": ColumnType.TEXT,
        }
        self.subscribers = subscribers
        self._seq = 0
        everybody = Credentials(projectId="p")
        identity = self.world.authenticator.identify(everybody, self.world.clock.seconds())
        started = time.process_time()
        for room in range(subscribers):
            connection = Sink(f"c{room}")
            session = Session(connection, identity, self.world.surroundings)
            client = MemoryClient(connection, session, self.world.turn)
            # The organization is the same for all, so it tells nobody apart.
            client.send(type="subscribe", topic="orders", filter={"org_id": 1, "room_id": room})
            self.change()
        self.joining = (time.process_time() - started) / subscribers

    def change(self) -> None:
        """
        Tell one change that matters to one subscriber, each time another.
        """
        self._seq += 1
        room = self._seq % self.subscribers
        row = {"id": self._seq, "org_id": 1, "room_id": room, "text": "What a change says. " * 5}
        old = None if self._seq % 2 else {**row, "text": "What it said before. " * 5}
        operation = UPDATE if old else INSERT
        change = Change(self._seq, "orders", operation, row, old, self._seq, str(self._seq), True)
        self.world.feeds.changed([change])
        self.world.clock.advance(0)

    def measure(self, changes: int) -> float:
        """
        The processor's time of a change, in seconds.
        """
        sent, started = Sink.sent, time.process_time()
        for _ in range(changes):
            self.change()
        taken = time.process_time() - started
        assert Sink.sent - sent == changes, "each change is for one subscriber"
        return taken / changes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--few", type=int, default=10)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--changes", type=int, default=2000, help="in each round")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    few, many = Feed(options.few), Feed(options.many)
    taken: dict[Feed, list[float]] = {few: [], many: []}
    for _ in range(options.rounds):
        # In turns, so that what the machine does besides falls on both.
        for feed, times in taken.items():
            times.append(feed.measure(options.changes))
    ratio = median(taken[many]) / median(taken[few])
    result: dict[str, Any] = {
        "changes": options.changes * options.rounds,
        **{
            f"{feed.subscribers}_subscribers": {
                "change_us": round(median(times) * 1e6, 1),
                "join_us": round(feed.joining * 1e6, 1),
            }
            for feed, times in taken.items()
        },
        "ratio": round(ratio, 2),
        "mark": MARK,
        "reached": ratio <= MARK,
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
