"""
Snapshots and the changes after them, with a real table and real writers.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from twisted.internet.threads import deferToThread

from tests.live.daemon import DaemonTests, gather
from tests.live.postgres import PostgresDaemonTests
from tests.live.wire import Frame, Wire


class SnapshotTests(DaemonTests):
    """
    Tests for subscriptions with a snapshot.
    """

    limits: Mapping[str, Any] = {"snapshotRows": 5000}

    async def begin(self, **wanted: Any) -> tuple[Wire, list[Any], Frame]:
        """
        Subscribe with a snapshot.

        @return: The connection, the rows, and the last page.
        """
        wire = await self.client()
        wire.positions = True
        wire.tell({"type": "subscribe", "topic": "orders", "snapshot": True, **wanted})
        answer = await wire.frame()
        self.assertEqual(answer, {"type": "subscribed", "topic": "table/orders/p"})
        rows: list[Any] = []
        while True:
            page = await wire.frame()
            if page.get("code") == "database_unavailable":
                # Programs that write on a slow disk may hold the database for longer than the
                # daemon waits for it.
                return await self.begin(**wanted)
            self.assertEqual((page["type"], page["topic"]), ("snapshot", "table/orders/p"), page)
            rows += page["rows"]
            if not page["more"]:
                return wire, rows, page

    async def test_rows(self) -> None:
        """
        The rows come in the requested order, then the changes.  A client can resume from the
        position of the last page.
        """
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, total REAL)",
            "INSERT INTO orders VALUES (1, 'new', 5), (2, 'paid', 7.5), (3, 'new', NULL)",
        )
        wire, rows, page = await self.begin(order=[["total", "desc"]], limit=2)
        self.assertEqual([row["id"] for row in rows], [2, 1])
        filtered, rows, _ = await self.begin(filter={"status": "new"}, columns=["id"])
        self.assertEqual(rows, [{"id": 1}, {"id": 3}])
        self.execute("UPDATE orders SET status = 'sent' WHERE id = 3")
        change = await filtered.frame()
        self.assertEqual((change["operation"], change["data"]), ("DELETE", {"id": 3}))
        self.assertEqual((await wire.frame())["data"]["status"], "sent")
        later = await self.client()
        later.tell({"type": "subscribe", "topic": "orders", "since": page["pos"]})
        self.assertTrue((await later.frame())["recovered"])
        self.assertEqual((await later.frame())["data"]["status"], "sent")

    async def test_instead(self) -> None:
        """
        A client that resumes gets the missed changes, or the rows if those are gone.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        wire, _, page = await self.begin()
        self.execute("INSERT INTO orders VALUES (1)")
        await wire.frame()
        wire.drop()
        back = await self.client()
        frame = {"type": "subscribe", "topic": "orders", "snapshot": True}
        back.tell({**frame, "since": page["pos"]})
        self.assertTrue((await back.frame())["recovered"])
        self.assertEqual((await back.frame())["type"], "db_change")
        lost = await self.client()
        lost.tell({**frame, "since": "e1-1-1-j1"})
        answer = await lost.frame()
        self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "unknown"}))
        self.assertEqual((await lost.frame())["rows"], [{"id": 1}])

    async def test_refused(self) -> None:
        """
        A snapshot that is not possible is refused with a reason, which ends the subscription; the
        connection stays.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        wire = await self.client()
        for wanted, code in (
            ({"snapshot": True, "limit": 0}, "invalid_filter"),
            ({"snapshot": True, "limit": "x"}, "invalid_frame"),
            ({"snapshot": True, "order": [["nobody", "asc"]]}, "invalid_filter"),
            ({"snapshot": True, "order": {"id": "asc"}}, "invalid_filter"),
            ({"order": ["id"]}, "invalid_frame"),
            ({"limit": 3}, "invalid_frame"),
            ({"topic": "chat/a", "snapshot": True}, "invalid_frame"),
        ):
            wire.tell({"type": "subscribe", "topic": "orders", **wanted})
            error = await wire.frame()
            self.assertEqual((error["type"], error.get("code")), ("error", code), (wanted, error))
        self.execute(
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 5001)"
            " INSERT INTO orders SELECT i FROM c"
        )
        wire.tell({"type": "subscribe", "topic": "orders", "snapshot": True})
        frames = await wire.frames(3)
        self.assertEqual([f["type"] for f in frames], ["subscribed", "error", "unsubscribed"])
        self.assertEqual(frames[1]["code"], "too_large")
        self.assertIn("filter or a limit", frames[1]["message"])
        _, rows, _ = await self.begin(limit=5000)
        self.assertEqual(len(rows), 5000)

    async def test_writers(self) -> None:
        """
        While programs write continuously, a client that applies all changes to its snapshot has
        the content of the table in the end, and no change is already in the snapshot.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)")
        stop = threading.Event()

        def write(first: int) -> None:
            with closing(sqlite3.connect(self.path, timeout=60)) as connection:
                key = first
                while not stop.is_set():
                    with connection:
                        connection.execute("INSERT INTO orders VALUES (?, 0)", (key,))
                        connection.execute("UPDATE orders SET n = n + 1 WHERE id > ?", (key - 9,))
                        if key % 6 < 2:
                            connection.execute("DELETE FROM orders WHERE id = ?", (key - 4,))
                    key += 2
                    stop.wait(0.001)

        async def look() -> None:
            for _ in range(4):
                wire, rows, _ = await self.begin()
                shown = {row["id"]: row for row in rows}
                self.assertEqual(len(shown), len(rows))
                lookers.append((wire, shown))

        lookers: list[tuple[Wire, dict[int, Any]]] = []
        writing = [deferToThread(write, first) for first in (1, 2)]
        try:
            await gather(*(look() for _ in range(3)))
        finally:
            stop.set()
            for each in writing:
                await each
        self.execute("INSERT INTO orders VALUES (1000000, 0)")
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute("SELECT id, n FROM orders").fetchall()
        expected = {key: {"id": key, "n": n} for key, n in rows}
        for wire, shown in lookers:
            while 1000000 not in shown:
                change = await wire.frame()
                self.assertEqual(change["type"], "db_change", change)
                row = change["data"]
                if change["operation"] == "INSERT":
                    self.assertNotIn(row["id"], shown)
                else:
                    self.assertEqual(shown.pop(row["id"]), change["old"])
                if change["operation"] != "DELETE":
                    shown[row["id"]] = row
            self.assertEqual(shown, expected)


class WaitingTests(PostgresDaemonTests):
    """
    Tests for snapshots that wait for a lock.
    """

    limits: Mapping[str, Any] = {"querySeconds": 60.0}

    async def isWaiting(self) -> bool:
        """
        Return whether a session waits for a lock.
        """
        return bool(self.postgres.execute("SELECT 1 FROM pg_locks WHERE NOT granted"))

    async def test_waits(self) -> None:
        """
        While a snapshot waits for a lock on its table, changes of other tables arrive.  Then the
        rows come, and the changes after them.
        """
        self.execute("CREATE TABLE orders (id int)", "CREATE TABLE stock (id int)")
        watcher = await self.subscribed("orders")
        # The daemon cannot begin to watch a locked table.
        await self.subscribed("stock")
        self.execute("INSERT INTO stock VALUES (1)")
        wire = await self.client()
        with closing(self.postgres.connect()) as owner:
            owner.execute("BEGIN")
            owner.execute("LOCK TABLE stock IN ACCESS EXCLUSIVE MODE")
            wire.tell({"type": "subscribe", "topic": "stock", "snapshot": True})
            await self.untilAnswered(True, self.isWaiting)
            self.execute("INSERT INTO orders VALUES (2)")
            self.assertEqual((await watcher.frame())["data"], {"id": 2})
            self.assertTrue(await self.isWaiting())
            owner.execute("INSERT INTO stock VALUES (2)")
            owner.execute("COMMIT")
        self.assertEqual((await wire.frame())["type"], "subscribed")
        rows = (await wire.frame())["rows"]
        self.assertEqual(rows, [{"id": 1}])
        self.assertEqual((await wire.frame())["data"], {"id": 2})
