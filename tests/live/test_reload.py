"""
SIGHUP: what the daemon applies while clients are connected.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.defer import Deferred

from aerostack.errors import CLOSE_REVOKED
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.program import ProgramTests
from tests.live.test_tls import TLSProgramTests
from tests.live.wire import Refused, Wire
from tests.net import Child

OTHER_KEY = "pk_another0123456789"


class ReloadTests(ProgramTests):
    """
    Tests for a changed configuration.
    """

    async def reload(self, daemon: Child, **changes: str) -> None:
        """
        Change the configuration, and make the daemon apply it.
        """
        self.config.write_text(self.configure(**changes))
        before = daemon.output.count("is taken up")
        daemon.signal("HUP")
        await self.until(lambda: daemon.output.count("is taken up") > before)

    async def assertRefused(self, key: str) -> None:
        """
        Assert that a client with this key is refused.
        """
        refused = await self.assertFailure(Deferred.fromCoroutine(self.client(key)), Refused)
        self.assertEqual(refused.status, 401)

    async def assertAlive(self, wire: Wire) -> None:
        """
        Assert that a connection is subscribed to C{chat/a} and may publish there.
        """
        wire.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": "alive"})
        self.assertEqual((await wire.frame())["data"], "alive")

    async def test_key(self) -> None:
        """
        A new key works at once, the old one does not, and clients that connected with the old one
        are closed.
        """
        daemon = await self.serve(self.configure())
        old = await self.subscribed("chat/a")
        await self.reload(daemon, publicKey=OTHER_KEY)
        await self.assertRefused(PUBLIC_KEY)
        await old.lost
        self.assertEqual(old.closeCode, CLOSE_REVOKED)
        await self.assertAlive(await self.subscribed("chat/a", OTHER_KEY))

    async def test_secretKey(self) -> None:
        """
        The RPC accepts the new secret key, and no longer the old one.
        """
        daemon = await self.serve(self.configure())
        await self.reload(daemon, secretKey="sk_another0123456789")
        for key, status in ((SECRET_KEY, 401), ("sk_another0123456789", 400)):
            answer = await self.http("POST", "/internal/hooks/rpc", Authorization=f"Bearer {key}")
            self.assertEqual(answer[0], status, answer)

    async def test_newKeysStaySecret(self) -> None:
        """
        A key of a reloaded configuration does not get into the log.
        """
        daemon = await self.serve(self.configure(more='[log]\nlevel = "debug"'))
        await self.reload(daemon, publicKey=OTHER_KEY, more='[log]\nlevel = "debug"')
        # The daemon logs a path unchanged, except for known credentials.
        status, _ = await self.http("GET", f"/{OTHER_KEY}/{PUBLIC_KEY}")
        self.assertEqual(status, 404)
        await self.until(lambda: "GET /[redacted]/[redacted] 404" in daemon.output)

    async def test_tables(self) -> None:
        """
        The reloaded configuration decides which tables clients may subscribe to, and subscriptions
        to other tables end.
        """
        self.execute("CREATE TABLE orders (id INTEGER)", "CREATE TABLE bills (id INTEGER)")
        daemon = await self.serve(self.configure(tables="orders"))
        wire = await self.subscribed("orders")
        for table, tables, code in (("bills", "bills", None), ("orders", "bills", "refused")):
            await self.reload(daemon, tables=tables)
            other = await self.client()
            other.tell({"type": "subscribe", "topic": table})
            answer = await other.frame()
            self.assertEqual(answer["type"], "error" if code else "subscribed", answer)
        error, over = await wire.frames(2)
        self.assertEqual((error["code"], over["type"]), ("table_not_allowed", "unsubscribed"))

    async def test_limits(self) -> None:
        """
        New limits apply to connections that open afterwards.
        """
        daemon = await self.serve(self.configure())
        await self.subscribed("chat/a")
        await self.reload(daemon, more="[limits]\nconnections = 1\nsubscriptions = 1")
        refused = await self.assertFailure(Deferred.fromCoroutine(self.client()), Refused)
        self.assertEqual((refused.status, refused.body["error"]), (429, "too_many_connections"))
        self.assertIn("retry-after", refused.headers)
        await self.reload(daemon, more="[limits]\nsubscriptions = 1")
        wire = await self.subscribed("chat/a")
        wire.tell({"type": "subscribe", "topic": "chat/b"})
        self.assertEqual((await wire.frame())["type"], "error")

    async def test_rules(self) -> None:
        """
        New rules for tables apply to existing and to new subscriptions.
        """
        self.execute("CREATE TABLE orders (id INTEGER, cost INTEGER)")
        daemon = await self.serve(self.configure())
        wire, server = await self.subscribed("orders"), await self.subscribed("orders", SECRET_KEY)
        await self.reload(daemon, more='[tables.orders]\nhidden = ["cost"]')
        await wire.barrier()
        self.execute("INSERT INTO orders VALUES (1, 2)")
        for each in (wire, server):
            self.assertEqual((await each.frame())["data"], {"id": 1})
        await self.reload(daemon, more="[tables.orders]\nread = []")
        self.assertEqual((await wire.frame())["code"], "forbidden")
        self.assertEqual((await wire.frame())["type"], "unsubscribed")
        wire.tell({"type": "subscribe", "topic": "orders"})
        self.assertEqual((await wire.frame())["code"], "forbidden")
        self.execute("INSERT INTO orders VALUES (2, 3)")
        self.assertEqual((await server.frame())["data"], {"id": 2, "cost": 3})
        await self.reload(daemon)
        wire.tell({"type": "subscribe", "topic": "orders"})
        self.assertEqual((await wire.frame())["type"], "subscribed")
        self.assertNotIn("takes a restart", daemon.output)

    async def test_restartNeeded(self) -> None:
        """
        The log names settings that need a restart, and the daemon applies all others.
        """
        daemon = await self.serve(self.configure())
        await self.reload(
            daemon, publicKey=OTHER_KEY, more="[presence]\ngrace = 1\n[log]\nformat = 'json'"
        )
        for section in ("presence", "log"):
            self.assertIn(f"[{section}] has changed; it takes a restart", daemon.output)
        self.assertNotIn("[server] has changed", daemon.output)
        await self.client(OTHER_KEY)

    async def test_formerName(self) -> None:
        """
        The log names a section under its former name when the daemon starts, and when it reads
        the file again.
        """
        daemon = await self.serve(self.configure(more="[streams]\ncount = 7"))
        await daemon.wrote("[streams] is the former name of [replay]")
        warned = daemon.output.count("[streams]")
        await self.reload(daemon, more="[streams]\ncount = 7")
        self.assertEqual(daemon.output.count("[streams]"), 2 * warned)
        self.assertNotIn("takes a restart", daemon.output)

    async def test_mistake(self) -> None:
        """
        A configuration with mistakes changes nothing; the log names each of them.
        """
        daemon = await self.serve(self.configure())
        wire = await self.subscribed("chat/a")
        self.config.write_text(
            self.configure(publicKey=OTHER_KEY, more="[limits]\nsockets = 1\nevent_length = 'long'")
        )
        daemon.signal("HUP")
        await daemon.wrote("not taken up")
        self.assertIn("limits.sockets", daemon.output)
        self.assertIn("limits.event_length", daemon.output)
        await self.assertRefused(OTHER_KEY)
        await self.client()
        await self.assertAlive(wire)

    async def test_rundir(self) -> None:
        """
        The daemon finds its configuration again, even if C{twistd} changes its directory.
        """
        elsewhere = self.directory / "elsewhere"
        elsewhere.mkdir()
        self.config = Path(os.path.relpath(self.config))
        self.config.write_text(self.configure())
        daemon = await self.serve(twistd=[f"--rundir={elsewhere}"])
        await self.reload(daemon, publicKey=OTHER_KEY)
        await self.client(OTHER_KEY)


class CertificateTests(TLSProgramTests):
    """
    Tests for a renewed certificate.
    """

    async def test_renewed(self) -> None:
        """
        New connections get the new certificate, and an existing one continues under its own.
        """
        daemon = await self.serve(self.configure())
        old = await self.subscribed("chat/a", endpoint=self.secure())
        renewed = self.authority.renew(self.directory)
        daemon.signal("HUP")
        await daemon.wrote("is taken up")
        new = await self.subscribed("chat/a", endpoint=self.secure())
        self.assertEqual((self.serialOf(old), self.serialOf(new)), (self.serial, renewed))
        new.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": 1})
        self.assertEqual((await old.frame())["data"], 1)
        old.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": 2})
        self.assertEqual([f["data"] for f in await new.frames(2)], [1, 2])

    async def test_broken(self) -> None:
        """
        A certificate that cannot be used is named, and the old one stays.
        """
        daemon = await self.serve(self.configure())
        (self.directory / "cert.pem").write_text("half a certif")
        daemon.signal("HUP")
        await daemon.wrote("the old certificate stays")
        self.assertIn(f"{self.directory / 'cert.pem'}: holds no PEM", daemon.output)
        wire = await self.client(endpoint=self.secure())
        self.assertEqual(self.serialOf(wire), self.serial)
