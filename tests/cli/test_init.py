"""
Tests for L{aerostack.cli.init} and L{aerostack.cli.serverfiles}.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import main
from aerostack.cli.init import splitPassword
from aerostack.cli.serverfiles import Wanted, configText, nextCommands, unitText
from aerostack.cli.shipped import shipped
from aerostack.config.loader import load
from tests.net import ROOT


class InitCase(SynchronousTestCase):
    """
    Runs the command in a directory of its own.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)

    def init(self, *arguments: str) -> int:
        """
        @return: The exit status of the command.
        """
        return main(["init", *arguments, str(self.directory)])

    def mode(self, name: str) -> int:
        """
        @return: The permissions of a file or directory that the command wrote.
        """
        return (self.directory / name).stat().st_mode & 0o7777


class LocalTests(InitCase):
    """
    Tests for the configuration of one's own machine.
    """

    def test_loads(self) -> None:
        """
        The configuration is the one that C{make run} uses, where the daemon looks for it.
        """
        self.assertEqual(self.init(), 0, self.err.getvalue())
        written = self.directory / "etc" / "rt.toml"
        self.assertEqual(written.read_text(), (ROOT / "etc" / "rt.toml").read_text())
        self.assertIn("--nodaemon --pidfile= aerostack-rt\n", self.out.getvalue())
        self.assertEqual(load(written, {}).database.path, self.directory / "var" / "rt.db")

    def test_present(self) -> None:
        """
        A configuration that is there is left as it is, and named.
        """
        path = self.directory / "etc" / "rt.toml"
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        self.assertEqual(self.init(), 1)
        self.assertEqual(path.read_text(), "mine")
        self.assertIn(f"{path}: there already", self.err.getvalue())


class ServerTests(InitCase):
    """
    Tests for C{--server}.
    """

    def test_loads(self) -> None:
        """
        The configuration loads as it is: for users with tokens only, behind a proxy, with three
        keys that differ.
        """
        self.assertEqual(self.init("--server"), 0, self.err.getvalue())
        config = load(self.directory / "rt.toml", {})
        project = config.projects["app"]
        assert project.jwt is not None
        self.assertEqual(len({project.publicKey, project.secretKey, project.jwt.key}), 3)
        self.assertEqual((project.anonymous, project.defaultRead), (False, ("token",)))
        for listen in config.server.listen:
            self.assertIn("interface=127.0.0.1", listen)
        self.assertEqual(config.server.trustedProxies, ("127.0.0.1/32",))
        self.assertEqual(str(config.database.path), "/var/lib/aerostack-rt/rt.db")

    def test_permissions(self) -> None:
        """
        Only the daemon's user reads the keys, whatever the umask is; its group reads the
        configuration.
        """
        for umask in (0o000, 0o077):
            shutil.rmtree(self.directory, ignore_errors=True)
            before = os.umask(umask)
            try:
                self.assertEqual(self.init("--server"), 0)
            finally:
                os.umask(before)
            modes = {
                name: oct(self.mode(name))
                for name in ("", "keys", "keys/app.public", "keys/app.secret", "keys/app.jwt")
            }
            self.assertEqual(
                modes,
                {
                    "": "0o750",
                    "keys": "0o700",
                    "keys/app.public": "0o600",
                    "keys/app.secret": "0o600",
                    "keys/app.jwt": "0o600",
                },
            )
            self.assertEqual(self.mode("rt.toml"), 0o640)

    def test_options(self) -> None:
        """
        What is given on the command line is in the configuration, and a password of the database
        is in a file of its own.
        """
        for name in ("key:1.pem", "chain.pem"):
            Path(name).touch()
            self.addCleanup(Path(name).unlink)
        status = self.init(
            *("--server", "--project", "shop", "--table", "orders", "--table", "shop_*"),
            *("--tls", "key:1.pem", "chain.pem", "--origin", "https://shop.example.com"),
            *("--database", "postgresql://rt:p%40ss@db.example.com:5432,two/shop?sslmode=require"),
        )
        self.assertEqual(status, 0, self.err.getvalue())
        config = load(self.directory / "rt.toml", {})
        self.assertEqual(config.tracker.tables, ("orders", "shop_*"))
        self.assertEqual(config.projects["shop"].origins, ("https://shop.example.com",))
        self.assertTrue(config.server.listen[0].startswith("ssl:443:privateKey="))
        self.assertEqual(config.database.password, "p@ss")
        self.assertNotIn("p@ss", (self.directory / "rt.toml").read_text())
        self.assertNotIn("p%40ss", (self.directory / "rt.toml").read_text())
        self.assertEqual(self.mode("keys/database.password"), 0o600)

    def test_nothingOverwritten(self) -> None:
        """
        If one of the files is there, none is written, and the error names what is there.
        """
        self.assertEqual(self.init("--server"), 0)
        key = self.directory / "keys" / "app.jwt"
        kept = key.read_text()
        for name in ("rt.toml", "aerostack-rt.service", "keys/app.public", "keys/app.secret"):
            (self.directory / name).unlink()
        self.assertEqual(self.init("--server"), 1)
        self.assertIn(f"{key}: there already", self.err.getvalue())
        self.assertEqual(key.read_text(), kept)
        self.assertFalse((self.directory / "rt.toml").exists())

    def test_mistakes(self) -> None:
        """
        A mistake on the command line is named, and leaves no key behind.
        """
        for arguments, said in (
            (("--project", "a b"), "--project 'a b'"),
            (("--user", "Root!"), "--user 'Root!'"),
            (("--database", "sqlite:///rt.db"), "--database sqlite:///rt.db: the path"),
        ):
            self.assertEqual(self.init("--server", *arguments), 1)
            self.assertIn(said, self.err.getvalue())
            self.assertFalse(self.directory.exists())

    def test_full(self) -> None:
        """
        A key that a full disk does not take is named, and leaves no file behind.
        """

        def refuse(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        self.patch(os, "fsync", refuse)
        self.assertEqual(self.init("--server"), 1)
        path = self.directory / "keys" / "app.public"
        self.assertIn(f"cannot write {path}: No space left on device", self.err.getvalue())
        self.assertFalse(path.exists())

    def test_reported(self) -> None:
        """
        What the daemon would refuse is told at once.
        """
        self.assertEqual(self.init("--server", "--origin", "shop.example.com"), 1)
        self.assertIn("projects.app.origins", self.err.getvalue())

    def test_next(self) -> None:
        """
        The command says how to go on: check the configuration, and start the unit.
        """
        self.init("--server", "--user", "nosuchuser")
        commands = [line.strip() for line in self.out.getvalue().splitlines()[1:]]
        self.assertEqual(len(commands), 3)
        self.assertIn("useradd", commands[0])
        self.assertIn(f"--config {self.directory}/rt.toml --check", commands[1])
        self.assertIn(f"enable --now {self.directory}/aerostack-rt.service", commands[2])

    def test_unit(self) -> None:
        """
        systemd accepts the unit.
        """
        self.init("--server", "--database", "sqlite:////srv/app/data/app.db", "--user", "daemon")
        unit = self.directory / "aerostack-rt.service"
        self.assertIn(f"--config {self.directory}/rt.toml\n", unit.read_text())
        self.assertIn("\nReadWritePaths=/srv/app/data\n", unit.read_text())
        done = subprocess.run(
            ["systemd-analyze", "--no-pager", "verify", "--man=no", str(unit)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual((done.returncode, done.stdout), (0, ""))


WANTED = Wanted(
    directory=Path("/etc/rt"),
    programs=Path("/opt/rt/bin"),
    user="rt",
    project="app",
    database="sqlite:////var/lib/aerostack-rt/rt.db",
    password=False,
    tls=(Path("/tls/key.pem"), Path("/tls/chain.pem")),
    origins=(),
    tables=(),
    example=Path("/share/rt.example.toml"),
)


class TextTests(SynchronousTestCase):
    """
    Tests for the text of the files.
    """

    def test_port(self) -> None:
        """
        A daemon that serves TLS may open port 443; one behind a proxy has no capability.
        """
        text = shipped("systemd/aerostack-rt.service").read_text()
        unit = unitText(text, WANTED)
        for line in (
            "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
            "AmbientCapabilities=CAP_NET_BIND_SERVICE",
            "PrivateUsers=no",
            "User=rt",
            "Group=rt",
        ):
            self.assertIn(line, unit.splitlines())
        behind = Wanted(**{**vars(WANTED), "tls": None, "user": "aerostack-rt"})
        changed = set(unitText(text, behind).splitlines()) - set(text.splitlines())
        self.assertTrue(all("/opt/rt/bin/" in line for line in changed), changed)

    def test_short(self) -> None:
        """
        The configuration has about twenty lines that are no comments.
        """
        lines = configText(WANTED).splitlines()
        self.assertLess(len([line for line in lines if line and line[0] != "#"]), 22)

    def test_documented(self) -> None:
        """
        The page about deploying shows the configuration that the command writes.
        """
        wanted = replace(
            WANTED,
            project="app",
            database="sqlite:////var/lib/aerostack-rt/rt.db",
            password=False,
            tls=(Path("tls/key.pem"), Path("tls/fullchain.pem")),
            origins=("https://app.example.com",),
            tables=("orders",),
        )
        lines = [line for line in configText(wanted).splitlines() if not line.startswith("#")]
        shown = textwrap.indent("\n".join(lines).strip(), "    ")
        self.assertIn(f"{shown}\n", (ROOT / "docs" / "deploying.rst").read_text())

    def test_owner(self) -> None:
        """
        The daemon's user gets the keys, but never the unit, by which it could become root.
        """
        for root in (True, False):
            for known in (True, False):
                commands = nextCommands(WANTED, known, root)
                self.assertEqual(len(commands), 3)
                for command in commands:
                    self.assertNotRegex(command, r"chown (-R )?rt: /etc/rt( |$)")
                    self.assertEqual(command.startswith("sudo "), not root)

    def test_passwords(self) -> None:
        """
        A password is taken out of a URL, wherever the user's name and the servers stand.
        """
        for url, without, password in (
            ("sqlite:////var/lib/a.db", "sqlite:////var/lib/a.db", None),
            ("postgresql://u@h/n", "postgresql://u@h/n", None),
            ("postgresql:///n?host=/run", "postgresql:///n?host=/run", None),
            ("postgresql://u:p%2Fw@h,i:1/n?a=b", "postgresql://u@h,i:1/n?a=b", "p/w"),
            ("postgresql://u:p@[::1]:1/n", "postgresql://u@[::1]:1/n", "p"),
        ):
            self.assertEqual(splitPassword(url), (without, password))
