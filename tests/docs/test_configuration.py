"""
Tests for the directive that writes the reference of the configuration.
"""

from __future__ import annotations

import re

from docutils import nodes
from docutils.core import publish_doctree
from twisted.trial.unittest import SynchronousTestCase

from aerostack.settings.fields import Key
from aerostack.settings.kinds import Number, Text
from aerostack.settings.settings import reference
from docs.extensions.configuration import escape, heading, render, written
from tests.net import ROOT


def key(default: object) -> Key:
    """A setting with a default."""
    return Key("name", "name", "What it does.", Text("a text"), default)


class RenderTests(SynchronousTestCase):
    """
    Tests for the reference.
    """

    def test_everything(self) -> None:
        """
        The reference has every setting once, in the order of the daemon's table, with its
        description.
        """
        text = "\n".join(render())
        names = re.findall(r"(?m)^\.\. confval:: (.+)$", text)
        self.assertEqual(names, [name for name, _ in reference()])
        for _, setting in reference():
            self.assertIn(escape(setting.doc), text)
            self.assertIn(escape(setting.kind.allowed()), text)

    def test_defaults(self) -> None:
        """
        The reference shows a default as in the file.
        """
        for default, shown in (
            (True, "``true``"),
            (0.2, "``0.2``"),
            (262144, "``262144``"),
            ("close", '``"close"``'),
            ((), "``[]``"),
            (("a", "b"), '``["a", "b"]``'),
            (None, "not set"),
        ):
            self.assertEqual(written(key(default)), f"Default: {shown}.")
        endless = Key("n", "n", "N.", Number("bytes", 1, 2, endless=True), None)
        self.assertEqual(written(endless), "Default: ``0``, which is no limit.")
        required = next(setting for _, setting in reference() if setting.required)
        self.assertEqual(written(required), "It has to be set.")

    def test_headings(self) -> None:
        """
        The headings are the tables of the file.
        """
        self.assertEqual(heading("server"), "[server]")
        self.assertEqual(heading("topics.<pattern>"), '[topics."<pattern>"]')
        self.assertEqual(heading("projects.<id>.jwt"), "[projects.<id>.jwt]")

    def test_escape(self) -> None:
        """
        Any text is shown unchanged.
        """
        for text in ("*a* and **b**", "`c`_ |d| e_", "https://example.com:*", "\\:", "['*'] <f>"):
            tree = publish_doctree(escape(text), settings_overrides={"report_level": 5})
            self.assertEqual(tree.astext(), text)
            (paragraph,) = tree.children
            self.assertEqual([type(node) for node in paragraph.children], [nodes.Text])


class PageTests(SynchronousTestCase):
    """
    Tests for C{docs/configuration.rst}.
    """

    def test_directive(self) -> None:
        """
        The page has the reference, and the example.
        """
        text = (ROOT / "docs" / "configuration.rst").read_text("utf-8")
        self.assertIn("\n.. configuration::\n", text)
        self.assertIn(".. literalinclude:: ../etc/rt.example.toml\n", text)
