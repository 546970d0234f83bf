"""
Tests for the configuration files in C{etc/}.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

from aerostack.config.loader import load
from aerostack.settings.settings import (
    reference,
)
from tests.config.keys import P256, pem
from tests.config.loading import KEY, OTHER_KEY, LoadCase

ETC = Path(__file__).parents[2] / "etc"


class ShippedTests(LoadCase):
    """
    Tests for the files in C{etc/}.
    """

    def shipped(self, name: str) -> Path:
        """
        @return: The path of a copy of a shipped file, where it can do no harm.
        """
        (self.base / "etc").mkdir()
        return Path(shutil.copy(ETC / name, self.base / "etc" / name))

    def test_safe(self) -> None:
        """The shipped configuration runs as it is, and only for this machine."""
        path = self.shipped("rt.toml")
        self.assertIsNone(load(path, {}).projects["local"].secretKey)
        config = load(path, {}, generate=True)
        for listen in config.server.listen:
            self.assertRegex(listen, r"\Atcp:\d+:interface=127\.0\.0\.1:local=1\Z")
        self.assertEqual(config.database.path, self.base / "var" / "rt.db")
        project = config.projects["local"]
        assert project.secretKey is not None
        self.assertEqual((self.base / "var").stat().st_mode & 0o777, 0o700)
        for origin in project.origins:
            self.assertRegex(origin, r"\Ahttp://(127\.0\.0\.1|localhost):\*\Z")
        self.assertNotRegex((ETC / "rt.toml").read_text(), "(sk|pk)_[A-Za-z0-9]")

    def test_nodes(self) -> None:
        """The configuration of several daemons loads on every machine, with the same keys."""
        path = self.shipped("rt.nodes.toml")
        credentials = self.base / "credentials"
        credentials.mkdir()
        values = {
            "public_key": OTHER_KEY,
            "secret_key": KEY,
            "jwt_key": "s" * 32,
            "database_password": "d4tabase",
            "valkey_password": "v4lkey",
        }
        for name, value in values.items():
            (credentials / name).write_text(value)
            (credentials / name).chmod(0o400)
        config = load(path, {"CREDENTIALS_DIRECTORY": str(credentials)})
        engine = config.engine
        self.assertEqual((engine.password, config.database.password), ("v4lkey", "d4tabase"))
        self.assertTrue(str(engine.url).startswith("valkeys://"))
        self.assertEqual(config.projects["shop"].secretKey, KEY)
        self.assertEqual((config.server.name, config.server.workers), (None, "auto"))
        unit = (ETC.parent / "systemd" / "aerostack-rt.service").read_text()
        self.assertEqual([name for name in values if f"LoadCredential={name}:" not in unit], [])

    def test_complete(self) -> None:
        """The example explains every key, and shows the default of each that has one."""
        section, mentioned = "", {}
        for line in (ETC / "rt.example.toml").read_text().splitlines():
            header = re.fullmatch(r"\[([a-z.]+(?:\"[^\"]+\")?)\]", line)
            setting = re.fullmatch(r"(# )?([a-z_]+) = (.*)", line)
            if header is not None:
                section = re.sub(r"^projects\.\w+", "projects.<id>", header[1])
                section = re.sub(r"^ai\.models\.\w+", "ai.models.<name>", section)
                section = re.sub(r'"[^"]+"', "<pattern>", section)
            elif setting is not None:
                mentioned.setdefault(f"{section}.{setting[2]}", (setting[1], setting[3]))
        keys = dict(reference())
        self.assertEqual(set(mentioned), set(keys))
        for name, (comment, value) in mentioned.items():
            # A commented line is the default; one that is not shows something else.
            if comment and keys[name].default is not None:
                self.assertEqual(tomllib.loads(f"x = {value}")["x"], keys[name].default, name)

    def test_example(self) -> None:
        """The example loads once its files and variables are there."""
        path = self.shipped("rt.example.toml")
        (path.parent / "tls").mkdir()
        (path.parent / "keys").mkdir()
        for name in ("tls/key.pem", "tls/fullchain.pem"):
            (path.parent / name).touch()
        (path.parent / "keys/issuer.pem").write_text(pem(P256))
        credentials = self.base / "credentials"
        credentials.mkdir()
        for name, key in (("shop-secret-key", KEY), ("assistant-key", "sk-assistant")):
            (credentials / name).write_text(key)
            (credentials / name).chmod(0o400)
        environ = {
            "CREDENTIALS_DIRECTORY": str(credentials),
            "TOOL_SECRET_KEY": OTHER_KEY,
            "TOOL_JWT_SECRET": "s" * 32,
        }
        config = load(path, environ, generate=True)
        self.assertEqual(config.projects["shop"].secretKey, KEY)
        self.assertFalse(config.projects["tool"].dbQuery)
        self.assertEqual(config.log.format, "json")
        models = config.ai.models or {}
        self.assertEqual((models["assistant"].key, len(models)), ("sk-assistant", 1))
