"""
A real browser, driven over WebDriver (https://www.w3.org/TR/webdriver2/).
"""

from __future__ import annotations

import json
import shutil
from base64 import b64decode
from pathlib import Path
from typing import Any

import treq
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import deferLater
from twisted.web.client import Agent, HTTPConnectionPool, ResponseNeverReceived

from tests.live.chromedriver import Chromedriver
from tests.net import ROOT

SCREENSHOTS = ROOT / "build" / "screenshots"
"""The directory for the pictures of L{Browser.screenshot}."""

LOOKS = {
    "light": (1280, 800, False),
    "dark": (1280, 800, True),
    "phone": (360, 740, False),
}
"""The looks of L{Browser.look}: the window's width, its height, and whether the page is dark."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
"""The names that the browser has in different systems."""

TALLEST = 4000
"""The greatest height of a picture, in pixels."""

KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Backspace": "\ue003",
    "Escape": "\ue00c",
    "Left": "\ue012",
    "Up": "\ue013",
    "Right": "\ue014",
    "Down": "\ue015",
    "Home": "\ue011",
    "End": "\ue010",
}
"""The keys that have names, as WebDriver encodes them (17.4.2)."""

PATIENCE = 600_000
"""How long a script may run, and a page may load, in milliseconds."""

ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


class Browser:
    """
    One headless Chromium.
    """

    def __init__(self, reactor: Any, profile: Path) -> None:
        """
        @param profile: An empty directory for the browser's profile.
        """
        self._reactor = reactor
        self._profile = profile
        self._agent = Agent(reactor, pool=HTTPConnectionPool(reactor, persistent=False))

    async def start(self) -> None:
        """
        Start the browser, with an empty page.
        """
        driver = shutil.which("chromedriver")
        chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
        assert driver and chromium, "there is no browser; run `.ci/setup test`, which installs it"
        self._driver = Chromedriver(self._reactor, driver, self._profile)
        await self._driver.start()
        self._base = self._driver.url
        try:
            await self._open(chromium)
        except BaseException:
            await self._driver.stop()
            raise

    async def _open(self, chromium: str) -> None:
        arguments = [*ARGUMENTS, f"--user-data-dir={self._profile}/profile"]
        session = await self._ask(
            "POST",
            "/session",
            {
                "capabilities": {
                    "alwaysMatch": {
                        "timeouts": {"script": PATIENCE, "pageLoad": PATIENCE},
                        "goog:chromeOptions": {"binary": chromium, "args": arguments},
                        "goog:loggingPrefs": {"browser": "ALL"},
                    }
                }
            },
        )
        self._base += f"/session/{session['sessionId']}"

    async def stop(self) -> None:
        """
        End the browser and everything that it started.
        """
        try:
            await self._ask("DELETE", "")
        except (ResponseNeverReceived, ConnectionRefusedError):
            pass
        finally:
            await self._driver.stop()

    async def open(self, url: str) -> None:
        """
        Open a page.
        """
        await self._ask("POST", "/url", {"url": url})

    async def run(self, script: str, *args: Any) -> Any:
        """
        Run JavaScript in the page, as the body of a function, and return its result.
        """
        return await self._ask("POST", "/execute/sync", {"script": script, "args": args})

    async def until(self, script: str, *args: Any) -> Any:
        """
        Run JavaScript repeatedly until its result is true.
        """
        while not (result := await self.run(script, *args)):
            await deferLater(self._reactor, 0.05, lambda: None)
        return result

    async def setOffline(self, offline: bool) -> None:
        """
        Disconnect the browser from the network, or connect it again; its pages get the event.
        """
        conditions = {"offline": offline, "latency": 0, "throughput": 1 << 30}
        await self._ask("POST", "/chromium/network_conditions", {"network_conditions": conditions})

    async def look(self, look: str) -> None:
        """
        Show the page in another look.

        @param look: One of L{LOOKS}.
        """
        width, height, dark = LOOKS[look]
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.command("Emulation.setEmulatedMedia", features=[scheme])
        await self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        # The page learns its new size in one frame and draws it in the next.
        await self.run(
            "return new Promise((resolve) => requestAnimationFrame(() =>"
            " requestAnimationFrame(() => setTimeout(resolve, 50))))"
        )

    async def screenshot(self, name: str) -> None:
        """
        Take a picture of the whole page in each of L{LOOKS}, and restore the first look.

        The files are C{NAME-light.png} and so on, in L{SCREENSHOTS}.
        """
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for look in (*LOOKS, "light"):
            await self.look(look)
            size = (await self.command("Page.getLayoutMetrics"))["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": LOOKS[look][0], "scale": 1}
            clip["height"] = min(size["height"], TALLEST)
            taken = await self.command(
                "Page.captureScreenshot", clip=clip, captureBeyondViewport=True
            )
            (SCREENSHOTS / f"{name}-{look}.png").write_bytes(b64decode(taken["data"]))

    async def press(self, *keys: str) -> None:
        """
        Press keys, one after the other: characters, or names such as C{"Tab"}.
        """
        pressed = [
            {"type": kind, "value": KEYS.get(key, key)}
            for key in keys
            for kind in ("keyDown", "keyUp")
        ]
        keyboard = {"type": "key", "id": "keyboard", "actions": pressed}
        await self._ask("POST", "/actions", {"actions": [keyboard]})

    async def command(self, command: str, **params: Any) -> Any:
        """
        Send a command of the Chrome DevTools Protocol.

        @return: Its result.
        """
        return await self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    async def window(self) -> str:
        """
        Open another window with an empty page, and make it the current one.

        @return: Its handle; the first window exists from the beginning.
        """
        opened: str = (await self._ask("POST", "/window/new", {"type": "window"}))["handle"]
        await self.turnTo(opened)
        return opened

    async def turnTo(self, window: str) -> None:
        """
        Make another window the current one.
        """
        await self._ask("POST", "/window", {"handle": window})

    async def closeWindow(self) -> None:
        """
        Close the current window; the caller has to choose another one.
        """
        await self._ask("DELETE", "/window")

    async def complaints(self) -> list[str]:
        """
        Return the errors in the browser's console.
        """
        entries = await self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        response = await treq.request(
            method,
            self._base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            agent=self._agent,
        )
        answer = json.loads(await response.content())["value"]
        if response.code != 200:
            raise RuntimeError(f"{path}: {answer['error']}: {answer['message']}")
        return answer
