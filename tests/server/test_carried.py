"""
Tests for L{aerostack.server.carried} and L{aerostack.server.kinds}.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.config.loader import load
from aerostack.server.carried import decodeConfig, encodeConfig
from aerostack.server.kinds import KINDS
from aerostack.settings.settings import DatabaseConfig
from aerostack.workers.frames import Codec
from tests.net import ROOT

CONFIG = """
server.listen = ["tcp:8787"]
server.workers = "auto"
database.url = "postgresql://rt@db.test/app"
database.password = "the role's own secret"
[tracker]
tables = ["shop_*"]
[topics."cursors/*"]
when_slow = "latest"
[topics."c*"]
age = 5
[tables."shop_*"]
read = ["token"]
[projects.p]
public_key = "pk_0123456789abcdef"
secret_key = "sk_0123456789abcdef"
origins = ["http://app.test"]
[projects.p.jwt]
algorithm = "HS256"
key = "a shared secret of thirty-two by"
[projects.p.tables."shop_orders"]
rows = "id = 5"
"""


class CarriedTests(SynchronousTestCase):
    """
    Tests for a configuration on its way to a worker.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text(CONFIG)

    def test_same(self) -> None:
        """
        A worker gets the same settings, in the same order.
        """
        config = load(self.path, {})
        carried = decodeConfig(encodeConfig(config))
        for name in ("server", "tracker", "limits", "log", "path"):
            self.assertEqual(getattr(carried, name), getattr(config, name))
        for name in ("topics", "tables", "projects"):
            self.assertEqual(
                list(getattr(carried, name).items()), list(getattr(config, name).items())
            )
        self.assertEqual(replace(carried, database=config.database), self.plain(config))

    def plain(self, config: object) -> object:
        """
        A configuration with plain mappings.
        """
        topics, tables = dict(config.topics), dict(config.tables)  # type: ignore[attr-defined]
        return replace(config, topics=topics, tables=tables)  # type: ignore[type-var]

    def test_database(self) -> None:
        """
        A worker does not get what opens the database.
        """
        data = encodeConfig(load(self.path, {}))
        self.assertNotIn(b"db.test", data)
        self.assertNotIn(b"the role's own secret", data)
        self.assertEqual(decodeConfig(data).database, DatabaseConfig(""))

    def test_shipped(self) -> None:
        """
        The shipped configuration can be carried.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        path = Path(shutil.copy(ROOT / "etc" / "rt.toml", folder))
        config = load(path, {}, generate=True)
        self.assertEqual(decodeConfig(encodeConfig(config)).projects, config.projects)


class KindsTests(SynchronousTestCase):
    """
    Tests for L{KINDS}.
    """

    def test_codec(self) -> None:
        """
        One codec knows all kinds of messages: no two have one tag.
        """
        tags = [kind.__struct_config__.tag for kind in KINDS]
        self.assertEqual(len(set(tags)), len(tags))
        Codec(KINDS)
