"""
Tests for L{aerostack.core.nodes.comparing}.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.nodes.comparing import MOST, SAME, describe, differences, digest
from aerostack.core.nodes.reports import decodeDescription, encodeDescription
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.settings import (
    Config,
    DatabaseConfig,
    EngineConfig,
    HistoryConfig,
    LogConfig,
    PresenceConfig,
    ReplayConfig,
    ServerConfig,
    TopicConfig,
    TrackerConfig,
)
from aerostack.settings.tables import TableConfig
from aerostack.testing import makeProject

CONFIG = Config(
    path=Path("/etc/rt.toml"),
    server=ServerConfig(("tcp:8787",)),
    database=DatabaseConfig("postgresql:///shop"),
    tracker=TrackerConfig(tables=("orders",)),
    presence=PresenceConfig(),
    history=HistoryConfig(),
    replay=ReplayConfig(),
    limits=LimitsConfig(),
    log=LogConfig(),
    projects={"p": makeProject()},
    topics={},
    tables={},
    engine=EngineConfig("valkey://h"),
)


class DifferencesTests(SynchronousTestCase):
    """
    Tests for L{describe} and L{differences}.
    """

    def compare(self, other: Config, database: str = "d", version: str = "1") -> list[str]:
        """
        Compare another node with one of L{CONFIG}.
        """
        there = decodeDescription(encodeDescription(describe(other, database, version)))
        assert there is not None
        return differences(describe(CONFIG, "d", "1"), there)

    def test_same(self) -> None:
        """Nodes with one configuration do not differ, whatever is only of one machine."""
        own = replace(
            CONFIG,
            path=Path("/home/rt.toml"),
            server=ServerConfig(("tcp:9000",), name="b"),
            log=LogConfig("debug"),
            database=DatabaseConfig("postgresql://db/shop", "s3cret"),
        )
        self.assertEqual(self.compare(own), [])

    def test_database(self) -> None:
        """Another database and another version are named."""
        self.assertEqual(self.compare(CONFIG, database="e"), ["uses another database"])
        self.assertEqual(self.compare(CONFIG, version="2"), ["runs version 2"])

    def test_projects(self) -> None:
        """Projects that are missing, more, or of other settings are named."""
        other = makeProject(id="q")
        changed = replace(CONFIG, projects={"p": makeProject(anonymous=False), "q": other})
        self.assertEqual(
            self.compare(changed),
            ["also serves the project q", "has other settings of the project p"],
        )
        lacking = replace(CONFIG, projects={"q": other})
        self.assertEqual(
            self.compare(lacking),
            ["does not serve the project p", "also serves the project q"],
        )
        many = {f"p{n}": makeProject(id=f"p{n}") for n in range(MOST + 2)}
        (sentence,) = self.compare(replace(CONFIG, projects={**CONFIG.projects, **many}))
        self.assertEqual(sentence, "also serves the projects p0, p1, p2, p3, p4 and 2 more")

    def test_rules(self) -> None:
        """Other rules of tables and policies of topics, and another order of them, are named."""
        one, two = TableConfig(), TableConfig(hidden=("id",))
        for tables in ({"a": one}, {"a": two}, {"a": two, "b": one}, {"b": one, "a": two}):
            changed = replace(CONFIG, tables=tables)
            self.assertEqual(self.compare(changed), ["has different rules in [tables]"])
        first = digest(list({"a": one, "b": two}.items()))
        self.assertNotEqual(first, digest(list({"b": two, "a": one}.items())))
        changed = replace(CONFIG, topics={"chat/*": TopicConfig(count=5)}, tables={"a": one})
        self.assertEqual(
            self.compare(changed),
            ["has different rules in [tables] and policies in [topics]"],
        )

    def test_settings(self) -> None:
        """Settings that clients would notice are named with both values."""
        changed = replace(CONFIG, presence=PresenceConfig(5.0), history=HistoryConfig(maxAge=None))
        self.assertEqual(
            self.compare(changed),
            [
                "has presence.grace = 5.0 instead of 10.0"
                " and history.max_age = null instead of 2592000.0"
            ],
        )
        tables = replace(CONFIG, tracker=TrackerConfig(tables=()))
        self.assertEqual(self.compare(tables), ['has tracker.tables = [] instead of ["orders"]'])

    def test_secrets(self) -> None:
        """A description holds no secret, and no more of one than can be told from any other."""
        data = encodeDescription(describe(CONFIG, "postgresql://secret@h/d", "1"))
        project = CONFIG.projects["p"]
        for secret in (project.secretKey, project.publicKey, "secret@h"):
            assert secret is not None
            self.assertNotIn(secret.encode(), data)
        self.assertEqual(len(digest(project)), 8)

    def test_known(self) -> None:
        """Every setting that is compared exists."""
        self.assertEqual(set(describe(CONFIG, "", "")["settings"]), set(SAME))

    def test_others(self) -> None:
        """The description of a node that says less or more is read all the same."""
        self.assertIsNone(decodeDescription(b"[]"))
        here = describe(CONFIG, "d", "1")
        self.assertEqual(
            differences(here, {"more": {"x": "1"}}),
            [
                "uses another database",
                "does not serve the project p",
                "runs version of another kind",
            ],
        )
