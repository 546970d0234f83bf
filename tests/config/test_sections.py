"""
Tests for L{aerostack.config.sections}.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aerostack.config.loader import load
from aerostack.config.problems import ConfigError
from aerostack.settings.settings import (
    reference,
)
from tests.config.loading import HEAD, KEY, PROJECT, LoadCase

SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["*", "RS256"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)


class SectionTests(LoadCase):
    """
    Tests for mistakes in any section.
    """

    def test_unknown(self) -> None:
        """
        An unknown key is reported with the nearest known key or with all of them.
        """
        for text, key, word in (
            ("[limit]\n", "limit", "did you mean 'limits'?"),
            ("[limits]\nframe_byte = 1\n", "limits.frame_byte", "did you mean 'frame_bytes'?"),
            ("[limits]\nframeBytes = 1\n", "limits.frameBytes", "did you mean 'frame_bytes'?"),
            ("[log]\nzzz = 1\n", "log.zzz", "allowed in [log]: level, format"),
            ("[projects.q]\nanonymus = true\nanonymous = true\n", "projects.q.anonymus", "mean"),
            ("[projects.q]\nanonymous = true\nid = 'x'\n", "projects.q.id", "unknown"),
        ):
            self.assertProblem(HEAD + PROJECT + text, key, "is an unknown key", word)

    def test_unknownHidden(self) -> None:
        """
        The value of an unknown key is not shown, because it may be a credential.
        """
        found = self.problems(f'{HEAD}{PROJECT}[projects.q]\nsecretkey = "{KEY}"\n')
        self.assertNotIn(KEY, str(found))

    def test_range(self) -> None:
        """
        A number out of its range is reported with the range and the unit.
        """
        self.assertProblem(
            HEAD + PROJECT + "[tracker]\npoll_interval = 0\n",
            "tracker.poll_interval",
            "is 0; allowed is a number of seconds from 0.01 to 60",
        )

    def test_sections(self) -> None:
        """
        A section that is not a table is reported.
        """
        self.assertProblem(f'log = "json"\n{HEAD}{PROJECT}', "log", "is a string", "[log]")
        for projects in ("projects = 1", "projects = []", "[projects]"):
            self.assertIn("at least one", self.problems(f"{projects}\n")["projects"])
        self.assertProblem(f"projects.p = 1\n{HEAD}", "projects.p", "is 1", "[projects.p]")


class PatternTests(LoadCase):
    """
    Tests for tables under patterns.
    """

    def test_malformed(self) -> None:
        """
        The loader reports a plain value where it expects a table of patterns.
        """
        for text, key, words in (
            ("topics = 1", "topics", "tables such as [topics.'cursors/*']"),
            ("topics.a = 1", "topics.'a'", "[topics.'a']"),
            ("tables = []", "tables", "tables such as [tables.'shop_*']"),
            ("tables.a = 'x'", "tables.'a'", "[tables.'a']"),
            ("tables.a.row = 'x'", "tables.'a'.row", "did you mean 'rows'?"),
            ("tables.sales.orders.read = []", "tables.'sales'.orders", "unknown key"),
        ):
            self.assertProblem(f"{text}\n{HEAD}{PROJECT}", key, words)
        self.assertProblem(
            f"{HEAD}{PROJECT}tables = 1\n", "projects.p.tables", "tables, each under a pattern"
        )


class SturdinessTests(LoadCase):
    """
    Whatever is in a file, it is read or refused, and nothing else.
    """

    @given(st.sampled_from([name for name, _ in reference()]), VALUES)
    def test_anyValue(self, name: str, value: Any) -> None:
        """Any value at any key is read, or refused with one of that key's problems."""
        text = (
            (HEAD + PROJECT)
            .replace("[server]\n", "server.")
            .replace("[database]\n", "database.")
            .replace("[projects.p]\n", "projects.p.")
        )
        key = name.replace("<id>", "q").replace("<pattern>", "t").replace("<name>", "m")
        text = "\n".join(line for line in text.splitlines() if not line.startswith(f"{key} "))
        text = f"{key} = {toml(value)}\n{text}\n"
        tomllib.loads(text)
        self.path.write_text(text)
        try:
            load(self.path, {})
        except ConfigError as error:
            for problem in error.problems:
                prefix = re.sub(r"(topics|tables)\.t\b", r"\1.'t'", key.rpartition(".")[0])
                # A project that has rules only has no client that could connect.
                alone = ".tables." in key and problem.key == "projects.q"
                self.assertTrue(alone or problem.key.startswith(prefix), str(error))


def toml(value: Any) -> str:
    """
    @return: A value as it is written in TOML.
    """
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(name)} = {toml(item)}' for name, item in value.items())}}}"
    return str(value).lower()
