"""
Reports about open transactions and held locks in PostgreSQL.
"""

from __future__ import annotations

import re
from contextlib import closing

import treq
from twisted.web.client import Agent

from aerostack.databases.health import DatabaseProbe
from aerostack.databases.postgres.locks import LockedOut
from aerostack.server import health
from aerostack.testing import SECRET_KEY
from aerostack.tracker import maintenance
from tests.live.postgres import PostgresDaemonTests
from tests.postgres import ADMIN, OWNER


class LockedTests(PostgresDaemonTests):
    """
    Tests for locks on the daemon's own tables.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        self.patch(DatabaseProbe, "interval", 0.2)
        await super().setUp()

    async def fault(self) -> str:
        """
        Return the fault of the database in C{/health}.
        """
        status, body, _ = await self.http("GET", "/health")
        # If the machine has stood still, changes of tables may be late, too.
        isOk = set(body["checks"].values()) == {"ok"}
        self.assertEqual((status, body["status"]), (200, "ok") if isOk else (503, "failing"))
        return str(body["checks"]["database"])

    async def blamed(self, said: str) -> str:
        """
        Wait until the fault of the database contains a text, and return the fault.
        """
        while said not in (fault := await self.fault()):
            await self.sleep(0.05)
        return fault

    async def test_kept(self) -> None:
        """
        While another session locks the table of kept messages, the daemon refuses messages within
        seconds instead of acknowledging them.  The client, C{/health} and the log have the process
        and the statement that ends it; only the log has its role.  Afterwards the daemon keeps
        messages again.
        """
        publish = {"type": "publish", "topic": "chat/a", "event": "e", "data": 1, "persist": True}
        for table in ("messages", "versions"):
            client = await self.client("ann")
            with closing(self.postgres.connect(ADMIN, application_name="the tool")) as holder:
                holder.execute(f"BEGIN; LOCK TABLE _aerostack.{table} IN ACCESS EXCLUSIVE MODE")
                pid = holder.info.backend_pid
                who = f"has its table _aerostack.{table} locked by process {pid} (the tool)"
                remedy = f", which SELECT pg_terminate_backend({pid}) ends."
                # A daemon that stands still meanwhile does not see who holds the lock.
                await self.blamed(who)
                client.tell({**publish, "id": table})
                error = await client.frame()
                self.assertEqual((error["type"], error["code"]), ("error", "database_unavailable"))
                self.assertIn(f"send it again. The database {who}{remedy}", error["message"])
                fault = await self.blamed(f"he database {who}{remedy}")
                for told in (error["message"], fault):
                    self.assertNotIn("role", told)
                self.assertTrue(any(f"{who} of the role admin" in line for line in self.logged))
            await self.untilAnswered("ok", self.fault)
            client.tell({**publish, "id": f"{table} again"})
            self.assertEqual(await client.frame(), {"type": "ack", "id": f"{table} again"})
        self.flushLoggedErrors(LockedOut)

    async def test_fed(self) -> None:
        """
        While another session locks a table of the journal, C{/health} and subscribers get the name
        of the holder, and afterwards the missing changes.
        """
        self.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        self.feeds = True
        watcher = await self.subscribed("orders")
        with closing(self.postgres.connect(ADMIN, application_name="the tool")) as holder:
            holder.execute("BEGIN; LOCK TABLE _aerostack.changes IN ACCESS EXCLUSIVE MODE")
            self.execute("INSERT INTO orders VALUES (1)")
            status = await watcher.frame()
            self.assertEqual((status["type"], status["feed"]), ("status", "down"))
            await self.blamed("(the tool)")
        while (frame := await watcher.frame())["type"] == "status":
            pass
        self.assertEqual((frame["type"], frame["data"]), ("db_change", {"id": 1}))
        await self.untilAnswered("ok", self.fault)
        self.flushLoggedErrors(LockedOut)


class OpenTests(PostgresDaemonTests):
    """
    Tests for transactions that stay open.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        self.patch(maintenance, "ASKING", 0.05)
        self.patch(health, "HELD", 0.0)
        await super().setUp()
        self.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        self.watcher = await self.subscribed("orders")

    async def notice(self) -> str:
        """
        Return the notice in C{/health}, once the daemon is healthy.  It is not for a moment if the
        machine has stood still.
        """
        status = 503
        while status == 503:
            status, body, _ = await self.http("GET", "/health")
        self.assertEqual((status, body["status"]), (200, "ok"))
        return str(body.get("notices", {}).get("transactions", ""))

    async def told(self, *said: str) -> bool:
        """
        Return whether the notice contains a text.
        """
        notice = await self.notice()
        return bool(notice) and all(each in notice for each in said)

    async def age(self) -> float:
        """
        Return the age in C{/metrics}.
        """
        response = await treq.get(
            f"http://127.0.0.1:{self.port}/metrics", agent=Agent(self.reactor, pool=self.pool)
        )
        (value,) = re.findall(
            r"^aerostack_open_transaction_seconds ([0-9.]+)$", await response.text(), re.M
        )
        return float(value)

    async def isOld(self) -> bool:
        """
        Return whether a transaction has been open for a while.
        """
        return await self.age() > 0

    async def isOver(self) -> bool:
        """
        Return whether there is no notice any more.
        """
        return (await self.notice(), await self.age()) == ("", 0)

    async def test_prepared(self) -> None:
        """
        The notice has the name of a prepared transaction and the statements that end it, until it
        ends.  Meanwhile the changes of others arrive, and then its own.
        """
        self.execute("BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'left''s'")
        try:
            await self.untilAnswered(
                True,
                lambda: self.told(
                    "prepared transaction 'left''s'. Subscribers get its changes when it ends",
                    "end it with COMMIT PREPARED 'left''s' or ROLLBACK PREPARED 'left''s'.",
                ),
            )
            await self.untilAnswered(True, self.isOld)
            self.assertNotIn(OWNER, await self.notice())
            self.execute("INSERT INTO orders VALUES (2)")
            self.assertEqual((await self.watcher.frame())["data"], {"id": 2})
        finally:
            self.execute("COMMIT PREPARED 'left''s'")
        self.assertEqual((await self.watcher.frame())["data"], {"id": 1})
        await self.untilAnswered(True, self.isOver)

    async def test_idle(self) -> None:
        """
        The notice has the process and C{application_name} of an idle transaction once it has been
        open for a while, until it ends, and nothing else of it.
        """
        with closing(self.postgres.connect(application_name="the importer")) as writer:
            writer.execute("BEGIN")
            writer.execute("INSERT INTO orders VALUES (1)")
            pid = writer.info.backend_pid
            await self.untilAnswered(
                True,
                lambda: self.told(
                    f"process {pid} (the importer).", f"SELECT pg_terminate_backend({pid})."
                ),
            )
            await self.untilAnswered(True, self.isOld)
            self.assertNotIn(OWNER, await self.notice())
            self.assertNotIn("INSERT", await self.notice())
            # The holder of the secret key also gets the role.
            _, overview, _ = await self.http(
                "GET", "/internal/admin/overview", Authorization=f"Bearer {SECRET_KEY}"
            )
            holder = overview["feed"]["waiting"]["holder"]
            self.assertEqual(
                (holder["who"], holder["role"]), (f"process {pid} (the importer)", OWNER)
            )
            self.patch(health, "HELD", 3600.0)
            self.assertEqual(await self.notice(), "")
        await self.untilAnswered(True, self.isOver)
