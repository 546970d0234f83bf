"""
A page, and clients, behind a proxy that lets no WebSocket pass.
"""

from __future__ import annotations

from typing import Any

from aerostack.client.realtime import RealtimeClient
from tests.live.daemon import DaemonTests
from tests.live.stripping import StrippingProxy
from tests.live.test_browser import PageTests

START = """
    return import("/client/realtime.js").then(async ({ RealtimeClient }) => {
        const began = performance.now();
        const client = new RealtimeClient({ projectId: "p", userId: "page" });
        const heard = [];
        const transports = [];
        client.onTransportChange((transport) => transports.push(transport));
        const statuses = [];
        client.onStatusChange((status) => statuses.push(status));
        const channel = client.channel("chat/x").on("said", ({ data }) => heard.push(data));
        channel.subscribe();
        channel.track({ at: "page" });
        await client.connect();
        const took = performance.now() - began;
        window.app = { client, channel, heard, transports, statuses };
        return took;
    });
"""


class StrippedTests(PageTests):
    """
    Tests with the proxy between Chromium and the daemon.
    """

    grace = 600.0

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.proxy = StrippingProxy(self.reactor, self.port)
        self.addCleanup(self.proxy.stop)

    async def test_page(self) -> None:
        """
        The page is connected without a WebSocket before the client has waited for one in vain.  It
        publishes, is present, comes back after its connection is cut, and leaves.
        """
        other = await self.subscribed("chat/x")
        await self.browser.open(f"http://127.0.0.1:{self.proxy.port}/")
        await self.browser.run("document.body.textContent = ''")
        await self.browser.run(START)
        state = "return [app.client.status, app.client.transport, app.transports]"
        self.assertEqual(await self.browser.run(state), ["connected", "sse", ["sse"]])
        self.assertEqual((await other.frame())["event"], "presence:join")
        await self.browser.run("return app.channel.publish('said', 1)")
        self.assertEqual((await other.frame())["data"], 1)
        await self.browser.until("return app.heard.length === 1")
        for end in tuple(self.proxy.ends):
            end.transport.abortConnection()
        # It may be connected again by the time of the next look.
        await self.browser.until("return app.statuses.includes('reconnecting')")
        await self.emit("said", 2, "chat/x")
        self.assertEqual((await other.frame())["data"], 2)
        await self.browser.until("return app.heard.length === 2")
        self.assertEqual(await self.browser.run(state), ["connected", "sse", ["sse"]])
        # The page goes, and does not wait for the grace.
        await self.browser.open("about:blank")
        while (await other.frame())["event"] != "presence:leave":
            pass


class PythonTests(DaemonTests):
    """
    Tests with the proxy between the Python client and the daemon.
    """

    async def test_client(self) -> None:
        """
        The client does over server-sent events what it does over a WebSocket: it publishes, is
        present, comes back after its connection is cut, gets what it has missed, and leaves.
        """
        proxy = StrippingProxy(self.reactor, self.port)
        self.addCleanup(proxy.stop)
        other = await self.subscribed("chat/x")
        url = f"ws://127.0.0.1:{proxy.port}"
        client = RealtimeClient(self.reactor, url, projectId="p", transport="sse")
        heard: list[Any] = []
        channel = client.channel("chat/x").on("said", lambda frame: heard.append(frame["data"]))
        channel.subscribe()
        channel.track({"at": "home"})
        client.connect()
        self.addCleanup(client.disconnect)
        self.assertEqual((await other.frame())["event"], "presence:join")
        await channel.publish("said", 1)
        self.assertEqual((await other.frame())["data"], 1)
        await self.until(lambda: heard == [1])
        for end in tuple(proxy.ends):
            end.transport.abortConnection()
        await self.until(lambda: client.status == "reconnecting")
        await self.emit("said", 2, "chat/x")
        self.assertEqual((await other.frame())["data"], 2)
        await self.until(lambda: heard == [1, 2])
        await client.disconnect()
        while (await other.frame())["event"] != "presence:leave":
            pass
        self.assertEqual(proxy.upgrades, 0)
