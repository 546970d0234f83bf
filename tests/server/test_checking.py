"""
Tests for L{aerostack.server.checking}.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from aerostack.server import checking
from aerostack.server.checking import check
from aerostack.server.findings import Finding, Level
from tests.config.loading import DATABASE, HEAD, KEY, LoadCase
from tests.net.certificates import Authority

PROJECT = f'[projects.p]\nsecret_key = "{KEY}"\n'


class CheckingTests(LoadCase):
    """
    Tests for L{check}.
    """

    def setUp(self) -> None:
        super().setUp()
        # It has tests of its own.
        self.patch(checking, "occupancy", lambda description, base: [])

    def check(
        self,
        listen: str = "tcp:0:interface=127.0.0.1",
        database: str = DATABASE,
        log: Path | None = None,
    ) -> list[Finding]:
        config = self.load(f'[server]\nlisten = ["{listen}"]\n{database}{PROJECT}')
        return list(check(config, log))

    def assertFound(self, found: list[Finding], level: Level, *texts: str) -> None:
        """
        Assert that there is one finding, with some words.
        """
        self.assertEqual([each.level for each in found], [level], found)
        for text in texts:
            self.assertIn(text, found[0].text)

    def test_nothing(self) -> None:
        """
        There is nothing to say of a configuration that can run, and nothing is made.
        """
        self.assertEqual(self.check(log=self.base / "rt.log"), [])
        self.assertEqual([path.name for path in self.base.iterdir()], ["rt.toml"])

    def test_warnings(self) -> None:
        """
        The warnings of the loader are among the findings.
        """
        config = replace(self.load(HEAD + PROJECT), warnings=("server.x: is odd",))
        self.assertFound(list(check(config, None)), Level.WARNING, "server.x: is odd")

    def test_certificates(self) -> None:
        """
        A certificate that is not the key's is an error; one that has expired is served, with a
        warning.
        """
        listen = "ssl:443:privateKey=key.pem:certKey=cert.pem"
        authority = Authority("test")
        authority.renew(self.base)
        (self.base / "key.pem").chmod(0o600)
        self.assertEqual(self.check(listen), [])
        authority.renew(self.base, days=(-3, -1))
        (self.base / "key.pem").chmod(0o600)
        self.assertFound(self.check(listen), Level.WARNING, "server.listen: ssl:443", "expired")
        key = (self.base / "key.pem").read_bytes()
        authority.renew(self.base)
        (self.base / "key.pem").write_bytes(key)
        self.assertFound(self.check(listen), Level.ERROR, "server.listen: ssl:443", "belong")

    def test_directories(self) -> None:
        """
        The daemon makes the directory of the database, and not that of the log.
        """
        elsewhere = '[database]\nurl = "sqlite:///var/lib/rt.db"\n'
        found = self.check(database=elsewhere)
        self.assertFound(found, Level.NOTE, "database.url", str(self.base / "var" / "lib"))
        log = self.base / "log" / "rt.log"
        self.assertFound(self.check(log=log), Level.ERROR, "--logfile", str(log.parent))
        (self.base / "var").touch()
        found = self.check(database=elsewhere)
        self.assertFound(found, Level.ERROR, "database.url", f"{self.base / 'var'} is no directory")

    def test_rights(self) -> None:
        """
        What the user of the check may not write is a warning: the daemon may run as another one.
        """
        (self.base / "rt.db").touch()
        for path in (self.base, self.base / "rt.db"):
            self.patch(os, "access", lambda asked, mode, path=path: asked != path)
            self.assertFound(self.check(), Level.WARNING, "database.url", str(path))
