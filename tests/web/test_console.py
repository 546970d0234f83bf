"""
Tests for the console that need only compilers; C{unit/console.test.js} has the tests in
JavaScript.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.http.files import CHART_FILES, CHARTS
from tests.web import CONSOLE, HOME, SHARED, checkTypes

EXAMPLES = ("orders", "chat", "document", "auction", "ai")

KINDS = (".js", ".html", ".css")
"""The ends of the names of files that browsers load."""


class ConsoleTests(SynchronousTestCase):
    """
    Tests for the console's files.
    """

    def test_types(self) -> None:
        """
        The TypeScript compiler finds no error in the modules of the console, of the start page and
        of the files that they share.  It does find an undefined name.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        folders = (CONSOLE, HOME, SHARED)
        modules = sorted(str(path) for each in folders for path in each.glob("*.js"))
        self.assertGreater(len(modules), 8)
        checkTypes(folder, modules)
        (folder / "wrong.js").write_text(f'import {{ no }} from "{SHARED}/dom.js"; no();')
        with self.assertRaisesRegex(AssertionError, "no exported member 'no'"):
            checkTypes(folder, ["wrong.js"])

    def test_elements(self) -> None:
        """
        The page has each element that a module looks up by its id, and each id once.
        """
        page = (CONSOLE / "index.html").read_text()
        ids = re.findall(r'\bid="([\w-]+)"', page)
        self.assertEqual(len(ids), len(set(ids)))
        asked = {
            name
            for path in CONSOLE.glob("*.js")
            for name in re.findall(r'\bat\("([\w-]+)"\)', path.read_text())
        }
        self.assertGreater(len(asked), 30)
        self.assertLessEqual(asked, set(ids))

    def test_underPath(self) -> None:
        """
        The start page, the console and the examples name the daemon's other paths in relation to
        their own, so that they also work where a proxy puts the daemon under a path.
        """
        absolute = r"""["'`]/(?:docs|internal|console|client|examples|shared|home|api)\b"""
        examples = HOME.parent / "examples"
        folders = (CONSOLE, HOME, SHARED, examples, *(examples / name for name in EXAMPLES))
        files = [path for each in folders for path in each.glob("*.*") if path.suffix in KINDS]
        self.assertGreater(len(files), 40)
        for path in files:
            self.assertIsNone(re.search(absolute, path.read_text()), path)

    def test_noMarkup(self) -> None:
        """
        No module turns text into markup, or sets styles that the policy forbids.
        """
        markup = r"innerHTML|outerHTML|insertAdjacent|document\.write"
        for path in (*CONSOLE.glob("*.js"), *HOME.glob("*.js"), *SHARED.glob("*.js")):
            self.assertIsNone(re.search(markup, path.read_text()), path)
        inline = r"<style|\bstyle=|\bon\w+=|<script(?! type=.module. src=)"
        self.assertIsNone(re.search(inline, (CONSOLE / "index.html").read_text()))

    def test_library(self) -> None:
        """
        The charts' library has a pinned version, a checksum that holds for every source, and all
        files that the console serves.
        """
        wanted = json.loads((CONSOLE / "package.json").read_text())["dependencies"]
        lock = json.loads((CONSOLE / "package-lock.json").read_text())["packages"]
        self.assertEqual(set(lock), {"", *(f"node_modules/{name}" for name in wanted)})
        for name, version in wanted.items():
            package = lock[f"node_modules/{name}"]
            self.assertEqual(package["version"], version)
            self.assertIn("integrity", package)
            self.assertNotIn("resolved", package)
        for name in CHART_FILES:
            self.assertTrue(CONSOLE.joinpath(*CHARTS, name).is_file(), name)
