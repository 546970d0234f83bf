"""
Tests that the documentation agrees with the code.
"""

from __future__ import annotations

import json
import re
from inspect import signature
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import COMMANDS
from aerostack.client.errors import CLIENT_ERRORS
from aerostack.client.realtime import RealtimeClient
from aerostack.core.diagnosis.explain import FINDINGS
from aerostack.core.rows import conditions, filters
from aerostack.databases.postgres import values as postgres
from aerostack.errors import CLOSE_CODES, ERRORS, SQL_KINDS
from aerostack.net.http.metriclist import METRICS
from aerostack.protocol import values
from aerostack.settings.conninfo import OPTIONS
from tests.docs import processes, rooms

ROOT = Path(__file__).parents[1]


def rows(text: str, columns: int) -> list[tuple[str, ...]]:
    """Return the rows of the simple tables with a number of columns in a document."""
    return [
        tuple(cell.strip() for cell in re.split(r"\s{2,}", line, maxsplit=columns - 1))
        for line in text.splitlines()
        if len(re.split(r"\s{2,}", line.strip())) >= columns and not line.startswith("=")
    ]


def named(text: str) -> dict[str, str]:
    """Return the rows of the tables with two columns whose first cell is a word of code."""
    return {cell[2:-2]: meaning for cell, meaning in rows(text, 2) if re.match(r"``\w+``$", cell)}


class ErrorsDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/errors.rst}.
    """

    def test_errors(self) -> None:
        """
        The document has every error code with its status and meaning, and no other.
        """
        text = (ROOT / "docs/errors.rst").read_text()
        found = {code.strip("`"): (http, m) for code, http, m in rows(text, 3) if code[0] == "`"}
        self.assertEqual(
            found, {code: (str(error.http), error.meaning) for code, error in ERRORS.items()}
        )

    def test_kinds(self) -> None:
        """
        The document has every kind of a refused statement with its meaning, and no other; the
        description of HTTP names the same.
        """
        text = (ROOT / "docs/errors.rst").read_text()
        found = named(text.partition(".. _sql-kinds:")[2].partition("Close codes")[0])
        self.assertEqual(found, SQL_KINDS)
        text = (ROOT / "docs/openapi.yaml").read_text()
        listed = yaml.safe_load(text)["components"]["schemas"]["SqlKind"]["enum"]
        self.assertEqual(listed, list(SQL_KINDS))

    def test_closes(self) -> None:
        """
        The document has every close code, with whether to reconnect and whether positions are
        valid, and no other.
        """
        text = (ROOT / "docs/errors.rst").read_text()
        found = {int(row[0]): row[1:] for row in rows(text, 4) if row[0].isdigit()}
        yes = {True: "yes", False: "no"}
        self.assertEqual(
            found,
            {
                code: (yes[close.reconnect], yes[close.resume], close.meaning)
                for code, close in CLOSE_CODES.items()
            },
        )


class PythonDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/python.rst}.
    """

    def setUp(self) -> None:
        self.text = (ROOT / "docs/python.rst").read_text()

    def test_errors(self) -> None:
        """
        The document has every code of the client with its meaning, and no other.
        """
        found = {code: text for code, text in named(self.text).items() if text.endswith(".")}
        self.assertEqual(found, CLIENT_ERRORS)

    def test_parameters(self) -> None:
        """
        The document has every parameter of the client except those for tests.
        """
        parameters = set(signature(RealtimeClient).parameters) - {"reactor", "openTransport"}
        self.assertLessEqual(parameters, set(named(self.text)))

    def test_limits(self) -> None:
        """
        The defaults in the document are those of the code.
        """
        parameters = signature(RealtimeClient).parameters
        for name in ("maxQueue", "timeout"):
            default = f"{parameters[name].default:g}"
            self.assertRegex(self.text, rf"``{name}`` .*; {default}\n")


class CommandsDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/cli.rst}.
    """

    def test_commands(self) -> None:
        """
        The document has every command with its purpose, and no other.
        """
        self.assertEqual(named((ROOT / "docs/cli.rst").read_text()), COMMANDS)


class ConsoleDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/console.rst}.
    """

    def test_findings(self) -> None:
        """
        The document has every code of a finding with its meaning, and no other.
        """
        self.assertEqual(named((ROOT / "docs/console.rst").read_text()), FINDINGS)


class ReadmeTests(SynchronousTestCase):
    """
    Tests for C{README.rst}.
    """

    def setUp(self) -> None:
        self.text = (ROOT / "README.rst").read_text()

    def test_commands(self) -> None:
        """
        README's first two commands are targets of the Makefile, and CI runs the one that tests.
        """
        makefile = (ROOT / "Makefile").read_text()
        for target in re.findall(r"^    make (\w+)$", self.text, re.M):
            self.assertRegex(makefile, rf"(?m)^{target}:")
        self.assertIn("make test", (ROOT / ".ci/run").read_text())

    def test_files(self) -> None:
        """
        Every file of the project that README names exists.
        """
        names = re.findall(r"`((?:docs|etc|bench|systemd|aerostack)/[\w./]+)`", self.text)
        self.assertGreater(len(names), 5)
        for name in names:
            self.assertTrue((ROOT / name).exists(), name)


class DatabaseDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/database.rst}.
    """

    def test_operators(self) -> None:
        """
        The document has every operator of filters, and no other, and their limits.
        """
        text = (ROOT / "docs/database.rst").read_text()
        table = text.partition("operator     takes")[2].partition("As in SQL")[0]
        found = [row[0].strip("`") for row in rows(table, 3) if row[0].startswith("`")]
        self.assertEqual(found, list(conditions.OPERATORS))
        for limit in (
            f"a list of up to {filters.MAX_VALUES} values",
            f"a pattern of up to {filters.MAX_PATTERN} characters",
            f"up to {filters.MAX_CONDITIONS} conditions",
        ):
            self.assertIn(limit, text)

    def test_values(self) -> None:
        """
        The JSON forms in the document are those that the daemon sends.
        """
        text = (ROOT / "docs/database.rst").read_text()
        for value, shown in (
            (2**53, '"9007199254740992"'),
            (float("-inf"), '"-Infinity"'),
            (b"\x00\x01\x02", '{"base64": "AAEC"}'),
        ):
            self.assertIn(f"``{shown}``", text)
            self.assertEqual(values.toJSON(value), json.loads(shown))
        for oid, written, shown in (
            (1700, "1234567890.123456", '"1234567890.123456"'),
            (1184, "2026-01-02 03:04:05.678+00", '"2026-01-02T03:04:05.678+00:00"'),
            (1114, "2026-01-02 03:04:05.678", '"2026-01-02T03:04:05.678"'),
        ):
            self.assertIn(f"``{shown}``", text)
            self.assertEqual(postgres.SCALARS[oid](written), json.loads(shown))

    def test_options(self) -> None:
        """
        The document has every option of a database's URL, except the password.
        """
        text = (ROOT / "docs/database.rst").read_text()
        for name in OPTIONS:
            if name != "password":
                self.assertIn(f"``{name}``", text)


class HandwrittenDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/handwritten.rst}.
    """

    def test_files(self) -> None:
        """
        Every file that the document names exists.
        """
        text = (ROOT / "docs/handwritten.rst").read_text()
        named = re.findall(r"``(aerostack/[^`]+)``", text)
        self.assertGreater(len(named), 10)
        self.assertEqual([name for name in named if not (ROOT / name).exists()], [])


class ArchitectureDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/architecture.rst} and C{CONTRIBUTING.rst}.
    """

    def test_rooms(self) -> None:
        """
        The picture of the rooms shows what the modules import now.
        """
        self.assertEqual(
            rooms.PICTURE.read_text("utf-8"),
            rooms.draw(rooms.readRooms()),
            "draw docs/rooms.svg again: .venv/bin/python -m tests.docs.rooms",
        )

    def test_processes(self) -> None:
        """
        The picture of the processes is as the code draws it, and every file in it exists.
        """
        text = processes.PICTURE.read_text("utf-8")
        again = "draw docs/processes.svg again: .venv/bin/python -m tests.docs.processes"
        self.assertEqual(text, processes.draw(), again)
        named = set(re.findall(r"(?:\w+/)+\w+\.py", text))
        self.assertEqual(len(named), 5)
        self.assertEqual([n for n in named if not (ROOT / "aerostack" / n).exists()], [])

    def test_files(self) -> None:
        """
        Every file that the page about the architecture names exists.
        """
        text = (ROOT / "docs" / "architecture.rst").read_text()
        named = re.findall(r"``((?:\w+/)+\w+\.py)``", text)
        self.assertGreater(len(named), 40)
        folders = (ROOT / "aerostack", ROOT)
        self.assertEqual([n for n in named if not any((f / n).exists() for f in folders)], [])

    def test_paths(self) -> None:
        """
        Every file and directory that CONTRIBUTING.rst names exists.
        """
        text = (ROOT / "CONTRIBUTING.rst").read_text()
        named = re.findall(r"``((?:aerostack|bench|docs|etc|tests)/[\w./]*)``", text)
        self.assertGreater(len(named), 20)
        self.assertEqual([name for name in named if not (ROOT / name).exists()], [])

    def test_tests(self) -> None:
        """
        Every test that CONTRIBUTING.rst names exists.
        """
        text = (ROOT / "CONTRIBUTING.rst").read_text()
        named = re.findall(r"\btests(?:\.\w+)+", text)
        self.assertGreater(len(named), 5)
        for name in named:
            module, cases, rest = re.fullmatch(r"([a-z_.]+)(?:\.([A-Z]\w+))?(.*)", name).groups()
            path = ROOT.joinpath(*module.split("."))
            self.assertTrue(path.is_dir() or path.with_suffix(".py").exists(), name)
            if cases is not None:
                source = path.with_suffix(".py").read_text()
                self.assertIn(f"class {cases}(", source)
                self.assertIn(f"def {rest.lstrip('.')}(", source)

    def test_names(self) -> None:
        """
        The page about the architecture names every room.
        """
        text = (ROOT / "docs" / "architecture.rst").read_text()
        self.assertEqual([name for name in rooms.readRooms() if f"``{name}``" not in text], [])


class OperatingDocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/operating.rst}.
    """

    def test_metrics(self) -> None:
        """
        The document has every metric with its kind and meaning, and no other.
        """
        text = (ROOT / "docs/operating.rst").read_text().partition("Alerts and a dashboard")[0]
        found = [(name.strip("`"), *row) for name, *row in rows(text, 3) if name.startswith("``")]
        self.assertEqual(found, [(m.name, m.kind, m.meaning) for m in METRICS])

    def test_alarms(self) -> None:
        """
        The document says for every metric what to alarm at.
        """
        text = (ROOT / "docs/operating.rst").read_text().partition("metric by metric:")[2]
        named = {name.strip("`") for name, *_ in rows(text, 2)}
        self.assertEqual({m.name for m in METRICS} - named, set())
