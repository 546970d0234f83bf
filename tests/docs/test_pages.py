"""
The documentation's snippets, run as they stand there.
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
# Their snippets are run by the tests of what they are about.
ELSEWHERE = ("javascript.rst", "python.rst", "cli.rst")
PLAYED = [page for page in PAGES if snippets.read(page)]


class SnippetTests(PageTests):
    """
    A test for each page that has snippets: they do and show what the page says.
    """

    async def test_start(self) -> None:
        """
        The snippets of docs/start.rst do and show what it says, and its page shows in a
        browser what is written to the table from then on.
        """
        await self.play(ROOT / "docs" / "start.rst")
        profile = self.directory / "profile"
        profile.mkdir()
        browser = Browser(self.reactor, profile)
        await browser.start()
        self.addCleanup(browser.stop)
        await browser.open(self.here("http://localhost:8000/page.html"))

        async def shown() -> bool:
            # It may have been opened, and not have subscribed yet.
            self.execute("UPDATE orders SET status = 'shown' WHERE id = 1")
            texts = await browser.run("return document.getElementById('orders').innerText")
            return "1: shown" in texts

        await self.until(shown)
        self.execute("DELETE FROM orders WHERE id = 1")
        await browser.until("return !document.getElementById('orders').innerText.includes('1:')")
        # Its server has no icon for it.
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
    The code of applications.
    """

    def test_compiles(self) -> None:
        """
        Every piece of it compiles.
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
    Every snippet is run, or says why not.
    """

    def test_marked(self) -> None:
        """
        A block that names a language that can be run says whether it is.
        """
        pages = [page for page in PAGES if page.name not in ELSEWHERE]
        self.assertEqual([place for page in pages for place in snippets.unmarked(page)], [])

    def test_found(self) -> None:
        """
        There are pages whose snippets are run, each feature's among them.
        """
        names = {page.stem for page in PLAYED}
        for name in ("README", "start", "subscriptions", "pubsub", "presence", "history"):
            self.assertIn(name, names)
