"""
Tests for L{aerostack.cli.reach}.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli.options import CommandError
from aerostack.cli.reach import Reach, reach
from aerostack.client.address import Address
from aerostack.config.problems import ConfigError

URL = "ws://127.0.0.1:1"
PUBLIC, SECRET = "pk_0123456789abcdef", "sk_0123456789abcdef"


class ReachTests(SynchronousTestCase):
    """
    Tests for L{reach}.
    """

    def setUp(self) -> None:
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        self.config: Path | None = directory / "rt.toml"
        self.config.write_text(
            f"""
            server.listen = ["tcp:1"]
            database.url = "sqlite:///rt.db"
            projects.p.public_key = "{PUBLIC}"
            projects.p.secret_key = "{SECRET}"
            projects.q.anonymous = true
            projects.r.public_key = {{ credential = "there_is_none" }}
            projects.r.secret_key = {{ credential = "there_is_none" }}
            """
        )

    def find(
        self,
        secret: bool = False,
        environ: dict[str, str] | None = None,
        keyless: bool = False,
        **given: object,
    ) -> Reach:
        """
        Find the daemon, with some options.
        """
        names = ("url", "project", "key", "token", "ca")
        options = {**dict.fromkeys(names), "config": self.config, **given}
        with patch.dict(os.environ, environ or {}):
            return reach(argparse.Namespace(**options), secret, keyless)

    def address(self, *arguments: object, **given: object) -> tuple[object, ...]:
        """
        Where to go, and with what.
        """
        address = self.find(*arguments, **given).address  # type: ignore[arg-type]
        return address.url, address.projectId, address.key, address.token

    def test_config(self) -> None:
        """
        The configuration gives the address and the keys.
        """
        self.assertEqual(self.address(), (URL, "p", PUBLIC, None))
        self.assertEqual(self.address(secret=True)[2], SECRET)
        self.assertEqual(self.address(project="q")[1:3], ("q", None))
        with self.assertRaisesRegex(CommandError, "^projects.q.secret_key is not there.*--key"):
            self.find(True, project="q")
        with self.assertRaisesRegex(ConfigError, "has no project x"):
            self.find(project="x")

    def test_url(self) -> None:
        """
        With a URL no configuration is read, unless it is named and the key is not.
        """
        self.config = None
        found = self.address(url="https://h", key="pk_1")
        self.assertEqual(found, ("https://h", None, "pk_1", None))
        self.assertEqual(self.address(url="https://h"), ("https://h", None, None, None))
        self.setUp()
        self.assertEqual(self.address(url="https://h"), ("https://h", "p", PUBLIC, None))

    def test_environment(self) -> None:
        """
        Credentials may come from the environment; options override them.
        """
        environ = {"AEROSTACK_KEY": "pk_e", "AEROSTACK_TOKEN": "a.b.c"}
        self.assertEqual(self.address(environ=environ)[2:], ("pk_e", "a.b.c"))
        self.assertEqual(self.address(environ=environ, key="k", token="t")[2:], ("k", "t"))
        # A server comes with its key alone.
        self.assertEqual(self.address(True, environ, project="q")[2:], ("pk_e", None))

    def test_credential(self) -> None:
        """
        A key of the configuration that cannot be read is no matter where another one is given, or
        none is needed.  Otherwise the message says what to give.
        """
        for secret in (False, True):
            self.assertEqual(self.address(secret, project="r", key="k")[2], "k")
            with self.assertRaisesRegex(
                CommandError, "_key: is the credential there_is_none.*give"
            ):
                self.find(secret, project="r")
        self.assertEqual(self.address(project="r", token="t")[2:], (None, "t"))
        self.assertEqual(self.address(project="r", keyless=True)[2:], (None, None))

    def test_trusted(self) -> None:
        """
        A file of certificates that cannot be read is named.
        """
        path = Path(self.mktemp())
        daemon = Reach(Address("wss://h"), trusted=path)
        with self.assertRaisesRegex(CommandError, f"{path}: No such file"):
            daemon.sdk(1.0)
        path.write_text("no certificate")
        with self.assertRaisesRegex(CommandError, f"{path}: it holds no PEM certificate"):
            daemon.client(None, 0)
