"""
Tests that run the documentation's snippets.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.docs import snippets
from tests.docs.running import PageTests
from tests.live.browser import Browser
from tests.net import ROOT
from tests.web import Workshop

PAGES = (ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst")))
# Other tests run the snippets of these pages.
ELSEWHERE = ("javascript.rst", "python.rst", "cli.rst")
PLAYED = [page for page in PAGES if snippets.read(page)]


class SnippetTests(PageTests):
    """
    A test for each page that has snippets: they do what the page says.
    """

    async def test_start(self) -> None:
        """
        The snippets of docs/start.rst do what the page says, and its page shows in a browser each
        later change of the table.
        """
        await self.play(ROOT / "docs" / "start.rst")
        profile = self.directory / "profile"
        profile.mkdir()
        browser = Browser(self.reactor, profile)
        await browser.start()
        self.addCleanup(browser.stop)
        await browser.open(self.here("http://localhost:8000/page.html"))

        async def shown() -> bool:
            # The page may be open, but not subscribed yet.
            self.execute("UPDATE orders SET status = 'shown' WHERE id = 1")
            texts = await browser.run("return document.getElementById('orders').innerText")
            return "1: shown" in texts

        await self.until(shown)
        self.execute("DELETE FROM orders WHERE id = 1")
        await browser.until("return !document.getElementById('orders').innerText.includes('1:')")
        # The page's server has no icon.
        complaints = [each for each in await browser.complaints() if "favicon.ico" not in each]
        self.assertEqual(complaints, [])


def _test(page: Path) -> Callable[[SnippetTests], Coroutine[Any, Any, None]]:
    async def test(self: SnippetTests) -> None:
        await self.play(page)

    test.__doc__ = f"The snippets of {page.relative_to(ROOT)} do and show what it says."
    return test


for _page in PLAYED:
    _name = f"test_{_page.stem}"
    if not hasattr(SnippetTests, _name):
        setattr(SnippetTests, _name, _test(_page))


class CompiledTests(SynchronousTestCase):
    """
    Tests for code of applications.
    """

    def test_compiles(self) -> None:
        """
        All code of applications compiles.
        """
        files = {
            f"{page.stem}{number}.{snippet.what}": snippet.code
            for page in PAGES
            for number, snippet in enumerate(snippets.read(page))
            if snippet.does == "compiles"
        }
        self.assertGreater(len(files), 3)
        Workshop(Path(self.mktemp()).absolute(), files).check(*files)


class MarkedTests(SynchronousTestCase):
    """
    Tests for the markers.
    """

    def test_marked(self) -> None:
        """
        Every block in a language that can be run has a marker.
        """
        pages = [page for page in PAGES if page.name not in ELSEWHERE]
        self.assertEqual([place for page in pages for place in snippets.unmarked(page)], [])

    def test_found(self) -> None:
        """
        There are pages with snippets, also for each feature.
        """
        names = {page.stem for page in PLAYED}
        for name in (
            "README",
            "start",
            "subscriptions",
            "pubsub",
            "presence",
            "history",
            "collaboration",
        ):
            self.assertIn(name, names)
