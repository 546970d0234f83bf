"""
The daemon as a process: its start, its refusals to start, and its listeners.
"""

from __future__ import annotations

import shutil
import socket
from contextlib import closing
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.utils import getProcessOutputAndValue

from tests.live.program import READY, TWISTD, ProgramTests
from tests.live.wire import Refused
from tests.net import ROOT, Child, socketPath


class FirstStartTests(ProgramTests):
    """
    Tests for the shipped configuration, on another port.
    """

    def setUp(self) -> None:
        super().setUp()
        shipped = (ROOT / "etc" / "rt.toml").read_text()
        self.assertEqual(shipped.count("tcp:8787:"), 1)
        self.config = self.directory / "etc" / "rt.toml"
        self.config.parent.mkdir()
        self.config.write_text(shipped.replace("tcp:8787:", f"tcp:{self.port}:"))
        self.path = self.directory / "var" / "rt.db"
        self.keys = self.directory / "var" / "keys"

    async def test_fromNothing(self) -> None:
        """
        The first start creates the keys, readable by the owner only, and the database, and prints
        the address to open.
        """
        daemon = await self.serve()
        for name in ("local.public", "local.secret"):
            self.assertEqual((self.keys / name).stat().st_mode & 0o777, 0o600)
        self.assertTrue(self.path.exists())
        page = f"http://127.0.0.1:{self.port}/"
        self.assertIn(f"open {page} or the console at {page}console/ in a browser", daemon.output)
        self.assertIn(f"aerostack-rt tail chat/general --config {self.config}", daemon.output)

    async def test_tour(self) -> None:
        """
        A client without a key gets the change that the C{sqlite3} shell makes.
        """
        await self.serve()
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        wire = await self.wire()
        await wire.upgrade("/api/realtime?projectId=local")
        wire.tell({"type": "subscribe", "topic": "orders"})
        self.assertEqual((await wire.frame())["type"], "subscribed")
        shell = shutil.which("sqlite3")
        assert shell is not None, "install the sqlite3 shell"
        statement = "INSERT INTO orders (status) VALUES ('new');"
        # The daemon may be writing on a slow disk; by itself the shell does not wait for that.
        arguments = ["-cmd", ".timeout 600000", str(self.path), statement]
        _, errors, status = await getProcessOutputAndValue(shell, arguments)
        self.assertEqual((errors, status), (b"", 0))
        change = await wire.frame()
        self.assertEqual(
            (change["type"], change["operation"], change["data"]),
            ("db_change", "INSERT", {"id": 1, "status": "new"}),
        )

    async def test_secondStart(self) -> None:
        """
        The second start keeps the keys of the first one.
        """
        daemon = await self.serve()
        made = {path.name: path.read_bytes() for path in self.keys.iterdir()}
        daemon.signal("TERM")
        await daemon.ended
        await self.serve()
        self.assertEqual({path.name: path.read_bytes() for path in self.keys.iterdir()}, made)

    async def test_check(self) -> None:
        """
        C{--check} accepts a valid configuration, says what the daemon will make, and makes nothing.
        """
        status, output = await self.refused("--check")
        folder = self.path.parent
        self.assertEqual(status, 0, output)
        self.assertEqual(
            output.splitlines(),
            [
                f"{self.config}: database.url: the directory {folder} is missing; the daemon"
                " makes it",
                f"{self.config} is in order.",
            ],
        )
        self.assertEqual([path.name for path in self.directory.iterdir()], ["etc"])


class ConfigurationTests(ProgramTests):
    """
    Tests for a configuration with mistakes.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config.write_text(
            self.configure("tcpp:1", publicKey="pk", server="sockets = 3")
            .replace("0.05", '"often"')
            .replace("sqlite:///rt.db", "mysql://root:hunter22@host/db")
        )

    async def test_everyMistake(self) -> None:
        """
        C{--check} and a start both list every mistake with its key and the allowed values.
        """
        for options in (("--check",), ()):
            child = self.spawn(*options)
            self.assertEqual(await child.ended, 1)
            # Nothing else is said, as no help.
            output = child.errors
            self.assertEqual(child.output, "")
            self.assertEqual(output.splitlines()[0], f"{self.config} cannot be used:")
            for key in (
                "server.sockets",
                "server.listen",
                "database.url",
                "tracker.poll_interval",
                "projects.p.public_key",
            ):
                (line,) = [line for line in output.splitlines() if line.startswith(f"{key}: ")]
                if key != "server.listen":
                    self.assertRegex(line, "allowed|wants|has")
            self.assertNotIn("Traceback", output)
            self.assertNotIn("hunter22", output)
        self.assertFalse(self.path.exists())

    async def test_missing(self) -> None:
        """
        A missing configuration file is named.
        """
        self.config.unlink()
        status, output = await self.refused("--check")
        self.assertEqual(status, 1)
        self.assertIn(f"{self.config}: cannot be read", output)
        self.assertNotIn("Traceback", output)


class RefusedStartTests(ProgramTests):
    """
    Tests for a valid configuration that the machine does not allow.
    """

    def setUp(self) -> None:
        super().setUp()
        self.config.write_text(self.configure())

    async def assertSays(self, *texts: str) -> None:
        """
        Assert that the daemon does not start, and logs the reason in one line.
        """
        status, output = await self.refused()
        self.assertEqual(status, 1, output)
        lines = [line for line in output.splitlines() if all(text in line for text in texts)]
        self.assertEqual(len(lines), 1, output)
        self.assertNotIn("Traceback", output)
        self.assertNotIn(READY, output)

    async def test_portInUse(self) -> None:
        """
        A port that another program uses is named.
        """
        with closing(socket.create_server(("127.0.0.1", self.port))):
            await self.assertSays("cannot listen on", str(self.port), "in use")

    async def test_inBackground(self) -> None:
        """
        Without C{--nodaemon}, the process that the operator started ends with the refusal too, and
        no file of a process id stays.
        """
        log, pid = self.directory / "rt.log", self.directory / "rt.pid"
        options = [f"--pidfile={pid}", f"--logfile={log}", f"--rundir={self.directory}"]
        command = ["-c", TWISTD, *options, "aerostack-rt", f"--config={self.config}"]
        with closing(socket.create_server(("127.0.0.1", self.port))):
            child = Child.spawn(self.reactor, command)
            self.addCleanup(child.kill)
            self.assertEqual(await child.ended, 1)
        self.assertIn(f"cannot listen on {self.listen}", child.errors)
        self.assertFalse(pid.exists())
        # The daemon itself may end a moment later.
        await self.until(lambda: log.exists() and "in use" in log.read_text())

    async def test_noDatabase(self) -> None:
        """
        A file that is not a database is named, and left unchanged.
        """
        self.path.write_text("This is a letter, not a database." * 100)
        before = self.path.read_bytes()
        await self.assertSays(str(self.path), "not a database")
        self.assertEqual(self.path.read_bytes(), before)

    async def test_noFolder(self) -> None:
        """
        A database whose directory cannot be created is named.
        """
        (self.directory / "file").touch()
        self.config.write_text(self.configure().replace("sqlite:///rt.db", "sqlite:///file/rt.db"))
        await self.assertSays(str(self.directory / "file"), "cannot be used")

    async def test_newerSchema(self) -> None:
        """
        A database that a later version has migrated is refused, and left unchanged.
        """
        self.execute(
            "CREATE TABLE realtime_schema (version INTEGER PRIMARY KEY)",
            "INSERT INTO realtime_schema VALUES (1), (99)",
        )
        await self.assertSays(str(self.path), "99", "run a newer daemon")
        self.assertEqual(self.execute("SELECT count(*) FROM sqlite_master"), [(1,)])

    async def test_noCertificate(self) -> None:
        """
        A certificate that cannot be used is named.
        """
        for name in ("key.pem", "cert.pem"):
            (self.directory / name).touch()
        listen = f"ssl:{self.port}:privateKey=key.pem:certKey=cert.pem"
        self.config.write_text(self.configure(listen))
        await self.assertSays("cannot listen", str(self.directory / "key.pem"), "no PEM")


class ListeningTests(ProgramTests):
    """
    Tests for listeners and origins.
    """

    async def test_activated(self) -> None:
        """
        The daemon serves on a socket that systemd passed.
        """
        with closing(socket.create_server(("127.0.0.1", 0))) as passed:
            self.port = passed.getsockname()[1]
            await self.serve(
                self.configure("systemd:domain=INET:name=rt"),
                environ={"LISTEN_FDS": "1", "LISTEN_FDNAMES": "rt"},
                descriptors={3: passed.fileno()},
            )
        await self.subscribed("chat/general")

    async def test_several(self) -> None:
        """
        Clients of all listeners reach each other.
        """
        path = socketPath()
        await self.serve(self.configure(self.listen, f"unix:{path}"))
        one = await self.subscribed("chat/general")
        other = await self.client(endpoint=UNIXClientEndpoint(self.reactor, str(path)))
        other.tell({"type": "publish", "topic": "chat/general", "event": "e", "data": 1})
        self.assertEqual((await one.frame())["data"], 1)

    async def test_origin(self) -> None:
        """
        Pages of the project's origins may connect; others are refused with the reason.
        """
        await self.serve(self.configure())
        await self.client(Origin="http://app.test")
        refused = await self.assertFailure(
            Deferred.fromCoroutine(self.client(Origin="http://evil.test")), Refused
        )
        self.assertEqual((refused.status, refused.body["error"]), (403, "origin_not_allowed"))


class WrittenTests(ProgramTests):
    """
    Tests for changes by other programs.
    """

    async def test_otherPython(self) -> None:
        """
        A change that another process commits arrives, and one that it rolls back does not.
        """
        self.config.write_text(self.configure())
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        await self.serve()
        wire = await self.subscribed("orders")
        script = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=600);"
            " c.execute('INSERT INTO orders VALUES (1)'); c.rollback();"
            " c.execute('INSERT INTO orders VALUES (2)'); c.commit()"
        )
        other = Child.spawn(self.reactor, ["-c", script, str(self.path)])
        self.addCleanup(other.kill)
        self.assertEqual(await other.ended, 0)
        self.assertEqual((await wire.frame())["data"], {"id": 2})
        self.assertEqual(Path(self.path).parent, self.directory)
