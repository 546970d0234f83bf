"""
Subscriptions to a part of a table, with a real daemon and a real database.
"""

from __future__ import annotations

from typing import Any

from tests.live.daemon import DaemonTests
from tests.live.wire import Frame, Wire


class FilterTests(DaemonTests):
    """
    Tests from the statement that changes rows to the frames of the subscribers.
    """

    async def asked(self, **fields: Any) -> tuple[Wire, Frame]:
        """
        Connect, and subscribe to a part of C{orders}.
        """
        wire = await self.client()
        wire.positions = True
        wire.tell({"type": "subscribe", "topic": "orders", **fields})
        return wire, await wire.frame()

    async def narrowed(self, **fields: Any) -> Wire:
        wire, answer = await self.asked(**fields)
        self.assertEqual(answer["type"], "subscribed", answer)
        return wire

    def table(self) -> None:
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, total DECIMAL(10,2), status TEXT,"
            " placed DATETIME, paid BOOLEAN, extra)"
        )

    async def test_types(self) -> None:
        """
        Each column is compared by its declared type, as in SQLite.
        """
        self.table()
        big = 2**60 + 1
        wanted = (
            {"id": str(big)},
            {"total": {"gt": 9.5, "lte": 100}},
            {"status": {"like": "ship%"}},
            {"placed": {"gte": "2026-11-24", "lt": "2026-11-25"}},
            {"paid": True},
            {"extra": {"in": ["a", 1]}},
            {"extra": None},
        )
        clients = [await self.narrowed(filter=filter, columns=["id"]) for filter in wanted]
        self.execute(
            f"INSERT INTO orders VALUES ({big}, 9.5, 'Shipped', '2026-11-25 00:00:00', 0, 2),"
            f" ({big + 1}, '100.00', 'shipping', '2026-11-24 23:59:59', 1, 1),"
            " (3, 10, NULL, NULL, NULL, 'a'), (4, 9.49, 'ship', '2026-11-23', 0, NULL)"
        )
        got = [
            [frame["data"]["id"] for frame in await client.frames(count)]
            for client, count in zip(clients, (1, 2, 2, 1, 1, 2, 1), strict=True)
        ]
        late = str(big + 1)
        self.assertEqual(got, [[str(big)], [late, 3], [late, 4], [late], [late], [late, 3], [4]])

    async def test_refused(self) -> None:
        """
        A filter that does not fit the table is refused, with the column and what is allowed.
        """
        self.table()
        for filter, said in (
            ({"totals": 1}, "filter.totals: there is no such column; the columns are id, total"),
            ({"total": {"gt": "much"}}, "filter.total: gt takes a number"),
            ({"status": 5}, "filter.status: eq takes a string"),
        ):
            _, error = await self.asked(filter=filter)
            self.assertEqual((error["type"], error["code"]), ("error", "invalid_filter"))
            self.assertIn(said, error["message"])

    async def test_altered(self) -> None:
        """
        A column that was added or renamed while the table is watched can be used in a filter, and
        its old name cannot.
        """
        self.table()
        everything = await self.subscribed("orders")
        await self.narrowed(filter={"extra": 1})
        self.execute(
            "ALTER TABLE orders RENAME COLUMN extra TO more",
            "ALTER TABLE orders ADD COLUMN side INTEGER",
            "INSERT INTO orders (id, side) VALUES (1, 2)",
        )
        # The daemon has read the new schema once it has sent this.
        self.assertEqual((await everything.change())["data"]["side"], 2)
        side = await self.narrowed(filter={"side": 3, "more": None})
        _, error = await self.asked(filter={"extra": 1})
        self.assertEqual(error["code"], "invalid_filter")
        self.execute("INSERT INTO orders (id, side) VALUES (2, 3)")
        self.assertEqual((await side.frame())["data"]["id"], 2)

    async def test_transaction(self) -> None:
        """
        A client sees where a transaction ends, also if it gets only some of its changes.
        """
        self.table()
        everything = await self.subscribed("orders")
        some = await self.narrowed(filter={"status": "a"})
        self.execute(
            *(f"INSERT INTO orders (id, status) VALUES ({n}, '{s}')" for n, s in enumerate("aab"))
        )
        whole = [frame.get("commit", False) for frame in await everything.frames(3)]
        self.assertEqual(whole, [False, False, True])
        frames = await some.frames(3)
        self.assertEqual([f["type"] for f in frames], ["db_change", "db_change", "commit"])

    async def test_alone(self) -> None:
        """
        The only subscriber of a table reconnects and gets the missed changes that meet its filter.
        """
        self.table()
        wire, answer = await self.asked(filter={"status": "a"})
        wire.drop()
        await self.sleep(0.1)
        # One commit: a slow disk would keep the file locked through several in a row.
        self.execute(
            "INSERT INTO orders (id, status) VALUES (0, 'a'), (1, 'b'), (2, 'a'), (3, 'b')"
        )
        await self.sleep(4 * self.pollInterval)
        self.execute("UPDATE orders SET status = 'b' WHERE id = 2")
        again, answer = await self.asked(filter={"status": "a"}, since=answer["pos"])
        self.assertTrue(answer["recovered"])
        told: list[tuple[str, int]] = []
        while len(told) < 3:
            frame = await again.frame()
            if frame["type"] != "commit":
                told.append((frame["operation"], frame["data"]["id"]))
        self.assertEqual(told, [("INSERT", 0), ("INSERT", 2), ("DELETE", 2)])
