"""
The console in a browser while its daemon is killed and started again.
"""

from __future__ import annotations

from itertools import pairwise

from tests.live.browser import Browser
from tests.live.consolepage import ConsolePage
from tests.live.program import ProgramTests
from tests.net import Child


class KilledTests(ProgramTests):
    """
    Tests with a daemon that dies under an open page.
    """

    async def serving(self, browser: Browser, view: str) -> tuple[ConsolePage, Child]:
        """
        Start a daemon, and open the console.
        """
        console = ConsolePage(browser, f"http://127.0.0.1:{self.port}/")
        child = await self.serve(self.configure())
        await console.open(view=view)
        return console, child

    async def browse(self) -> Browser:
        """
        Start a browser.
        """
        profile = self.directory / "browser"
        profile.mkdir()
        browser = Browser(self.reactor, profile)
        await browser.start()
        self.addCleanup(browser.stop)
        return browser

    async def test_killed(self) -> None:
        """
        After the daemon is killed the page says so, and tries again at growing intervals.  Once a
        daemon runs again the page goes on by itself.
        """
        browser = await self.browse()
        console, child = await self.serving(browser, "overview")
        await console.reads("health", "Works")
        await child.kill()
        await console.says("The daemon does not answer. Trying again")
        await browser.screenshot("console-away")
        await browser.run(
            """
            const real = window.fetch;
            window.asked_ = [];
            window.fetch = (...what) => {
              asked_.push(performance.now());
              return real(...what);
            };
            """
        )
        times = await browser.until("return asked_.length > 2 && asked_")
        for least, (before, after) in zip((1000, 2000), pairwise(times), strict=False):
            self.assertGreater(after - before, 0.99 * least, times)
        await self.serve()
        await console.says("Live")
        await console.reads("health", "Works")

    async def test_watching(self) -> None:
        """
        The inspector of a topic continues by itself after the daemon was killed and started again.
        """
        browser = await self.browse()
        console, child = await self.serving(browser, "inspector?topic=chat%2Fx")
        await console.reads("frames-state", "Watching chat/x/p.")
        await child.kill()
        await console.reads("frames-state", "It is tried again.")
        await self.serve()
        await console.reads("frames-state", "Watching chat/x/p.")
        await console.fill("publish-form", event="back")
        await console.reads("frames", "back")
