"""
A page on a slow network, with a daemon whose limits are low.
"""

from __future__ import annotations

from typing import Any

from aerostack.sessions.session import State
from tests.live.relay import Relay
from tests.live.test_browser import PageTests

# Features that browsers of 2021 do not have.
OLD = "delete URL.canParse; delete AbortSignal.timeout; delete Promise.withResolvers;"

TOPICS = 60

PATIENCE = 600_000
"""For how many milliseconds the page waits for a pong: longer than any pong takes, also on a slow
machine.  The test says when this time is over."""

START = """
    const [topics, patience] = arguments;
    const { setTimeout, clearTimeout } = window;
    const waiting = new Map();
    window.setTimeout = (call, time, ...args) => {
        const timer = setTimeout(call, time, ...args);
        if (time === patience) waiting.set(timer, call);
        return timer;
    };
    window.clearTimeout = (timer) => {
        waiting.delete(timer);
        clearTimeout(timer);
    };
    return import("/client/realtime.js").then(({ RealtimeClient }) => {
        const errors = [];
        const closes = [];
        const client = new RealtimeClient({
            projectId: "p",
            userId: "page",
            pingInterval: 400,
            pongTimeout: patience,
            reconnectDelay: 100,
            maxReconnectDelay: 300,
            onError: ({ code }) => errors.push(code),
        });
        client.onStatusChange((status, { error }) => error && closes.push(error.closeCode));
        const channels = Array.from({ length: topics }, (_, n) =>
            client.channel(`chat/${n}`).subscribe());
        const sizes = [];
        channels[0].track({ at: "page" });
        channels[0].presence.onChange((members) => sizes.push(members.size));
        const orders = client.channel("orders", { snapshot: true }).subscribe();
        window.app = { client, channels, sizes, orders, errors, closes };
        app.subscribed = () =>
            [...channels, orders].filter(({ state }) => state === "subscribed").length;
        app.losePatience = () => {
            for (const [timer, call] of waiting) {
                window.clearTimeout(timer);
                call();
            }
        };
        app.publish = async (values) => {
            const settled = await Promise.allSettled(
                values.map((value) => channels[1].publish("said", value)));
            return settled.map(({ reason }) => reason?.code ?? "kept");
        };
    });
"""


class SlowPageTests(PageTests):
    """
    Tests with a network that takes 100 ms in each direction.
    """

    # The page needs a while to come back: it may send 100 frames a second.
    grace = 600.0
    limits = {  # noqa: RUF012
        "framesPerSecond": 100.0,
        "framesBurst": 15,
        "frameBytes": 4096,
        "messageBytes": 2048,
        "stateBytes": 1024,
    }

    async def shown(self, expression: str, *args: Any) -> Any:
        """
        Wait until a condition in the page is true.
        """
        return await self.browser.until(f"return {expression}", *args)

    @property
    def open(self) -> int:
        """Return the number of connections that the daemon has not begun to close."""
        sessions = self.front.connections.sessions()
        return sum(session._state is State.OPEN for session in sessions)

    async def again(self) -> None:
        """
        Make the page notice that its connection is dead, reconnect, and subscribe to everything
        again.
        """
        self.relay.strand()
        await self.browser.until("app.losePatience(); return !app.client.connected")
        await self.shown("app.client.connected")
        await self.shown("app.subscribed() === arguments[0]", TOPICS + 1)

    async def test_page(self) -> None:
        """
        A page in an old browser keeps its topics, its presence, its rows and its order, and loses
        only what the daemon can never accept.
        """
        self.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY)", "INSERT INTO orders VALUES (1), (2)"
        )
        self.relay = Relay(self.reactor, self.port)
        self.addCleanup(self.relay.stop)
        self.relay.delay = 0.1
        await self.browser.command("Page.addScriptToEvaluateOnNewDocument", source=OLD)
        await self.browser.open(f"http://127.0.0.1:{self.relay.port}/")
        bob = await self.subscribed("chat/1", "bob")
        bob.tell({"type": "track", "topic": "chat/0", "state": {"at": "bob"}})
        self.assertEqual((await bob.frame())["event"], "presence:sync")
        await self.browser.run(START, TOPICS, PATIENCE)
        await self.shown("app.subscribed() === arguments[0]", TOPICS + 1)
        await self.shown("app.channels[0].presence.members.size === 2")
        await self.shown("app.orders.rows.length === 2")
        await self.browser.run("app.sizes.length = 0")

        # The connection is dead; the daemon does not wait until the page notices.
        before = self.open
        await self.again()
        self.assertEqual(self.open, before)
        # The set of before stays until the new one has come.
        await self.shown("app.sizes.length > 0")
        self.assertEqual(set(await self.browser.run("return app.sizes")), {2})

        # More than the page may send, and some that the daemon cannot accept.
        said: list[Any] = [*range(150), "x" * 5000, "x" * 3000, *range(150, 200)]
        await self.browser.run(
            "app.publish([...arguments[0], 'half \\ud83d']).then((it) => app.outcomes = it)", said
        )
        outcomes = await self.shown("app.outcomes")
        self.assertEqual(outcomes[150:152], ["too_large", "too_large"])
        self.assertEqual(outcomes[-1], "invalid_data")
        self.assertEqual(outcomes[:150] + outcomes[152:-1], ["kept"] * 200)
        heard = [(await bob.frame())["data"] for _ in range(200)]
        self.assertEqual(sorted(heard), list(range(200)))

        # Another table of the same name.
        self.execute(
            "DROP TABLE orders",
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, kind TEXT DEFAULT 'new')",
            "INSERT INTO orders (id) VALUES (7)",
        )
        await self.shown(
            "JSON.stringify(app.orders.rows) === arguments[0]", '[{"id":7,"kind":"new"}]'
        )

        await self.browser.run("app.channels[0].unsubscribe()")
        self.assertEqual(await self.browser.run("return app.channels[0].presence.members.size"), 0)
        codes = set(await self.browser.run("return app.errors"))
        self.assertEqual(codes - {"no_answer", "too_large", "invalid_data"}, set())
        self.assertNotIn(4029, await self.browser.run("return app.closes"))
