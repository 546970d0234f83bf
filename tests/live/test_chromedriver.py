"""
The program that drives Chromium, on ports that other programs have.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tests.live.chromedriver import Chromedriver

PROGRAM = """#!/bin/sh
echo $1 >> $0.starts
if [ "$(wc -l < $0.starts)" = {last} ]; then
    echo ChromeDriver was started successfully on ${{1#--}}.
    exec sleep 60
fi
echo {fault}
"""
"""Listens at its last start only."""


class ChromedriverTests(TestCase):
    """
    Tests for the start of the program.
    """

    def make(self, last: int, fault: str) -> Chromedriver:
        """
        Make a program that stands for chromedriver.

        @param last: Which of its starts succeeds.
        @param fault: What it says at the other starts.
        """
        from twisted.internet import reactor

        self.home = Path(self.mktemp())
        self.home.mkdir()
        program = self.home.absolute() / "chromedriver"
        program.write_text(PROGRAM.format(last=last, fault=fault))
        program.chmod(0o755)
        return Chromedriver(reactor, str(program), self.home)

    @property
    def starts(self) -> list[str]:
        """The ports of the starts, as arguments."""
        return (self.home / "chromedriver.starts").read_text().split()

    async def test_taken(self) -> None:
        """
        A program that finds its port taken is started again on another port.
        """
        driver = self.make(3, "IPv4 port not available. Exiting...")
        await driver.start()
        self.assertEqual(len(set(self.starts)), 3)
        self.assertEqual(driver.url, f"http://127.0.0.1:{self.starts[-1].removeprefix('--port=')}")
        await driver.stop()

    async def test_broken(self) -> None:
        """
        A program that ends for another reason is not started again, and the error has its words.
        """
        driver = self.make(2, "No such library")
        error = await self.assertFailure(Deferred.fromCoroutine(driver.start()), RuntimeError)
        self.assertIn("No such library", str(error))
        self.assertEqual(len(self.starts), 1)
