"""
Tests of rows that no daemon wrote, for every database.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import capturedLogs, formatEvent

from tests.databases.contracts.history import ROOM, HistoryContract

GOOD: dict[str, Any] = {
    "id": "g",
    "room_id": ROOM,
    "kind": "event",
    "event": "e",
    "data": "1",
    "user_id": "ann",
    "created_at": 10,
    "publish_id": "1",
}
"""A row as a daemon writes it."""


# Of another project, of none, without a name, and without a state.
_STREAMS = (("q/a1", "done"), ("a1", "done"), ("p/", "done"), ("p/a1", None), ("p/a1", ""))


FORGED: list[dict[str, Any]] = [
    *({"data": data} for data in ("", "nil", "{", '"\\ud83d"', "[" * 2000 + "]" * 2000)),
    *({"kind": kind} for kind in ("", "presence", "x" * 10_000)),
    *({"stream": stream, "state": state} for stream, state in _STREAMS),
    *({"created_at": time} for time in (2**62, 253_402_300_800_000)),
]
"""The differences of rows that no daemon wrote, in any database."""


class ForgedContract(HistoryContract):
    """
    Rows that another program wrote into the table of the messages.

    @cvar forged: The differences of such rows from a daemon's row.
    """

    forged = FORGED

    def write(self, **row: Any) -> None:
        """
        Write a row without any check.
        """
        names, marks = ", ".join(row), ", ".join(["?"] * len(row))
        table = self.dialect.messages
        self.successResultOf(
            self.database.run(
                lambda cursor: self.dialect.execute(
                    cursor, f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values())
                )
            )
        )

    def test_leftOut(self) -> None:
        """
        Every read leaves such rows out and logs them in one entry; the messages before and after
        them are there.
        """
        kept = [self.keep(1, publishId="1"), self.keep(3_000, publishId="2")]
        for n, difference in enumerate(self.forged):
            self.write(**{**GOOD, "id": f"f{n}", "created_at": 100 + n, **difference})
        with capturedLogs() as logs:
            read = [
                self.successResultOf(self.history.page(ROOM, 2, None))[::-1],
                self.successResultOf(self.history.readPast(ROOM, 0, 10_000, 1, 10_000)),
                self.successResultOf(self.history.readPast(ROOM, 1, 10_000, 1, 10_000)),
            ]
            found = self.find(0, 1000)
        self.assertEqual(read, [kept, kept[:1], kept[1:]])
        self.assertEqual(found, (3_000, kept))
        lines = [formatEvent(event) for event in logs]
        self.assertIn("rows of the message table are left out", lines[0])
        self.assertLess(max(map(len, lines)), 200)

    def test_newMessages(self) -> None:
        """
        New messages are not kept behind such a row.
        """
        self.write(**{**GOOD, "created_at": 2**62})
        self.assertEqual(self.keep(50).createdAt, 50)

    def test_unreadableNumbers(self) -> None:
        """
        A number that clients cannot read, which an older daemon may have kept, is read as a
        string.
        """
        self.write(**{**GOOD, "data": '{"a":[1e999,-1E999,"1e999",1.10],"b":' + "9" * 400 + "}"})
        (kept,) = self.successResultOf(self.history.page(ROOM, 10, None))
        expected = '{"a":["1e999","-1E999","1e999",1.10],"b":"' + "9" * 400 + '"}'
        self.assertEqual(kept.message.data.decode(), expected)
