"""
Tests for L{aerostack.settings.settings} and L{aerostack.settings.kinds}.
"""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.settings.ai import ModelConfig
from aerostack.settings.fields import keysOf
from aerostack.settings.kinds import (
    Flag,
    Kind,
    Many,
    Named,
    Network,
    Number,
    NumberOrWord,
    Origin,
    Patterned,
    Secret,
    Section,
    Text,
    Values,
    Word,
    describe,
)
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.settings.settings import SECTIONS, DatabaseConfig, HistoryConfig, reference
from aerostack.settings.tables import TableConfig


class ReferenceTests(SynchronousTestCase):
    """
    Tests for the table of settings.
    """

    def test_documented(self) -> None:
        """Every key says in sentences what it does, and what is allowed."""
        for name, key in reference():
            self.assertRegex(key.doc, r"\A[A-Z?].*\.\Z", name)
            self.assertTrue(key.kind.allowed(), name)

    def test_defaults(self) -> None:
        """Every default is itself allowed."""
        for name, key in reference():
            if key.required or key.default is None:
                continue
            written = list(key.default) if isinstance(key.default, tuple) else key.default
            self.assertEqual(key.kind.read(written), key.default, name)
            self.assertIs(type(key.kind.read(written)), type(key.default), name)

    def test_everyField(self) -> None:
        """Every field is a key, but for a project's id."""
        for table in (*SECTIONS.values(), JWTConfig, ProjectConfig, TableConfig, ModelConfig):
            attributes = [key.attribute for key in keysOf(table).values()]
            names = [each.name for each in dataclasses.fields(table) if each.name != "id"]
            self.assertEqual(attributes, names)

    def test_names(self) -> None:
        """A key's name is its field's, in snake case, but for the key set's file."""
        names = {name for name, _ in reference()}
        for name in (
            "server.query_credentials",
            "limits.frames_per_second",
            "projects.<id>.db_query",
            "projects.<id>.jwt.jwks_file",
        ):
            self.assertIn(name, names)
        self.assertEqual(len(names), len(list(reference())))
        self.assertEqual([name for name in names if name != name.lower()], [])

    def test_required(self) -> None:
        """
        Only where to listen, the database, where a model is and a token's algorithm have no
        default.
        """
        self.assertEqual(
            [name for name, key in reference() if key.required],
            [
                "server.listen",
                "database.url",
                "ai.models.<name>.url",
                "projects.<id>.jwt.algorithm",
            ],
        )

    def test_defaultsFit(self) -> None:
        """The defaults of limits that depend on each other agree."""
        limits = LimitsConfig()
        self.assertLessEqual(limits.messageBytes, limits.frameBytes)
        self.assertLessEqual(limits.stateBytes, limits.frameBytes)
        self.assertGreaterEqual(limits.outboxBytes, 2 * limits.frameBytes)
        self.assertEqual(HistoryConfig().maxAge, 30 * 24 * 3600)


class ValueTests(SynchronousTestCase):
    """
    Tests for the dataclasses.
    """

    def test_frozen(self) -> None:
        """A setting cannot be changed where it is used."""
        self.assertRaises(dataclasses.FrozenInstanceError, setattr, LimitsConfig(), "depth", 1)

    def test_repr(self) -> None:
        """No key shows in a repr."""
        token = JWTConfig("HS256", key="unseen-1", jwks={"keys": ["unseen-2"]})
        project = ProjectConfig("shop", publicKey="unseen-3", secretKey="unseen-4", jwt=token)
        self.assertNotIn("unseen", repr(project))
        self.assertNotIn("unseen", repr(DatabaseConfig("postgresql://h/d", "unseen")))
        self.assertIn("shop", repr(project))

    def test_path(self) -> None:
        """A database's path is what follows the third slash, where it is a file's."""
        self.assertEqual(DatabaseConfig("sqlite:////srv/rt.db").path, Path("/srv/rt.db"))
        self.assertIsNone(DatabaseConfig("postgresql://h/d").path)


class KindTests(SynchronousTestCase):
    """
    Tests for the kinds of values.
    """

    def assertRefuses(self, kind: Kind, *values: Any) -> None:
        """
        Assert that a kind allows none of some values.
        """
        for value in values:
            self.assertRaises(ValueError, kind.read, value)

    def test_flag(self) -> None:
        """A flag is a boolean and nothing like one."""
        self.assertIs(Flag().read(False), False)
        self.assertRefuses(Flag(), 0, 1, "true", None, [])

    def test_whole(self) -> None:
        """A whole number lies in its range and is neither fraction nor boolean."""
        kind = Number("topics", 2, 9)
        self.assertEqual([kind.read(2), kind.read(9)], [2, 9])
        self.assertRefuses(kind, 1, 10, 5.0, True, "5", [5], 0)
        self.assertEqual(kind.allowed(), "a whole number of topics from 2 to 9")

    def test_fraction(self) -> None:
        """A number is read as a float, and is finite."""
        kind = Number("seconds", 0, 9, whole=False)
        self.assertIs(type(kind.read(3)), float)
        self.assertRefuses(kind, float("nan"), float("inf"), -0.1, 9.1, True, 10**5000)

    def test_endless(self) -> None:
        """Zero is no limit where that is allowed, and says so."""
        kind = Number("seconds", 1, 9, endless=True)
        self.assertIsNone(kind.read(0))
        self.assertRefuses(kind, -1, False)
        self.assertIn("or 0 for no limit", kind.allowed())

    def test_word(self) -> None:
        """A word is one of its choices, spelled the same."""
        kind = Word(("text", "json"))
        self.assertEqual(kind.read("json"), "json")
        self.assertRefuses(kind, "JSON", "xml", "", 1, ["json"])
        self.assertEqual(kind.allowed(), "one of text, json")

    def test_numberOrWord(self) -> None:
        """
        A word may stand for a number.
        """
        kind = NumberOrWord(Number("processes", 1, 64), "auto")
        self.assertEqual((kind.read(3), kind.read("auto")), (3, "auto"))
        self.assertRefuses(kind, 0, 65, 1.5, True, "Auto", "", "3", None, [1])
        self.assertEqual(kind.allowed(), "a whole number of processes from 1 to 64, or 'auto'")

    def test_text(self) -> None:
        """A text is a string of printable characters, at least one."""
        self.assertEqual(Text("a name").read("né me"), "né me")
        self.assertRefuses(Text("a name"), "", "a\nb", "a\x00", 1)
        error = self.assertRaises(ValueError, Text("a URL", private=True).read, "pw\n")
        self.assertEqual(str(error), "a string")

    def test_many(self) -> None:
        """A list is long enough, has no entry twice and says which entry is wrong."""
        kind = Many(Word(("a", "b")), least=1)
        self.assertEqual(kind.read(["b", "a"]), ("b", "a"))
        self.assertRefuses(kind, [], "a", None, ["a", "a"])
        error = self.assertRaises(ValueError, kind.read, ["a", "c"])
        self.assertIn("entry 2 is 'c'", str(error))

    def test_origin(self) -> None:
        """An origin is read as a browser sends it."""
        for written, read in (
            ("*", "*"),
            ("https://App.Example.com", "https://app.example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:80", "http://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("http://localhost:*", "http://localhost:*"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("https://*.Example.com", "https://*.example.com"),
        ):
            self.assertEqual(Origin().read(written), read)

    def test_noOrigin(self) -> None:
        """A page's address, a bare host and a pattern of schemes are no origins."""
        self.assertRefuses(
            Origin(),
            *("example.com", "https://example.com/", "https://example.com/app", "https://"),
            *("https://*", "https://a.*.example.com", "*://example.com", "null", ""),
            "https://example.com:0",
            *("https://example.com:65536", "https://u@example.com", "https://example.com:", 1),
            "https://example.com\n",
        )

    def test_network(self) -> None:
        """A network is read into one form, an address as a network of one."""
        for written, read in (
            ("unix", "unix"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("2001:DB8::1", "2001:db8::1/128"),
        ):
            self.assertEqual(Network().read(written), read)
        self.assertRefuses(Network(), "10.0.0.1/8", "proxy.test", "", "*", 1, ["unix"], "1.2.3")

    def test_secret(self) -> None:
        """A secret is a string or a table, and is not shown where it is neither."""
        kind = Secret("an API key")
        self.assertEqual(kind.read("a"), "a")
        error = self.assertRaises(ValueError, kind.read, 1234567890123456)
        self.assertNotIn("1234", str(error))
        self.assertNotIn("generate", kind.allowed())
        self.assertIn("generate", Secret("an API key", prefix="sk_").allowed())

    def test_section(self) -> None:
        """A section is a table."""
        self.assertEqual(Section(JWTConfig).read({"a": 1}), {"a": 1})
        self.assertRefuses(Section(JWTConfig), "a", [{}], datetime.date(2026, 1, 1))

    def test_patterned(self) -> None:
        """Tables under patterns are a table."""
        self.assertEqual(Patterned(TableConfig).read({"a": {}}), {"a": {}})
        self.assertRefuses(Patterned(TableConfig), "a", [{}], 1)

    def test_named(self) -> None:
        """Tables under names are a table."""
        self.assertEqual(Named(ModelConfig).read({"a": {}}), {"a": {}})
        self.assertRefuses(Named(ModelConfig), "a", [{}], 1)

    def test_values(self) -> None:
        """A table of values holds what JSON can hold."""
        for found in ({}, {"a": 1, "b": [True, {"c": "d"}], "e": -0.5}):
            self.assertEqual(Values().read(found), found)
        date, far = datetime.date(2026, 1, 1), 10**30
        self.assertRefuses(Values(), 1, [], {"a": date}, {"a": [{"b": date}]}, {"a": far})
        self.assertRefuses(Values(), {"a": float("nan")}, {"a": float("inf")}, {"a": None})

    def test_found(self) -> None:
        """A refusal shows no string that is where none belongs, and long ones shortened."""
        for kind in (Flag(), Number("bytes", 1, 2), Many(Flag()), Section(JWTConfig)):
            error = self.assertRaises(ValueError, kind.read, "misplaced-key")
            self.assertEqual(str(error), "a string")
        self.assertEqual(describe(16**5000), "a very large number")
        error = self.assertRaises(ValueError, Word(("a",)).read, "x" * 500)
        self.assertLess(len(str(error)), 70)
