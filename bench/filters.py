"""
The cost of a change with few filtered subscribers and with many, of whom one gets it.

This process has two daemons without sockets and without a database.  In one, 10 clients subscribe
to a table, each to the rows of its own chat room; in the other 10,000.  The same changes go to
both, in turns.  The processor time is measured from the tracker's report of a change until the
frame has been given to its connection.  The output also has the cost of a subscription while
changes flow.
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
"""The highest ratio of the cost of a change with many subscribers to that with few."""


class Sink(MemoryConnection):
    """
    A socket that only counts frames.
    """

    sent = 0

    def send(self, frame: bytes) -> None:
        Sink.sent += 1


class Feed:
    """
    A table, and subscribers that each want the rows of one chat room.
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
            session = Session(connection, identity, self.world.context)
            client = MemoryClient(connection, session, self.world.turn)
            # The organization is the same for all, so it does not distinguish subscribers.
            client.send(type="subscribe", topic="orders", filter={"org_id": 1, "room_id": room})
            self.change()
        self.joining = (time.process_time() - started) / subscribers

    def change(self) -> None:
        """
        Make one change that one subscriber gets, another one each time.
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
        Return the processor time of a change, in seconds.
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
    parser.add_argument("--changes", type=int, default=2000, help="changes in each round")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    few, many = Feed(options.few), Feed(options.many)
    taken: dict[Feed, list[float]] = {few: [], many: []}
    for _ in range(options.rounds):
        # In turns, so that other load on the machine affects both.
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
