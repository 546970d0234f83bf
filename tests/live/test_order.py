"""
The order of frames, live and in the history.
"""

from __future__ import annotations

import json

from aerostack.testing import PUBLIC_KEY
from tests.live.clients import ClientTests, makeToken
from tests.live.daemon import ORIGIN, gather
from tests.live.wire import Frame, Wire


class OrderTests(ClientTests):
    """
    Tests for order and completeness.
    """

    async def test_oneOrder(self) -> None:
        """
        All subscribers get a topic's events in the same order, even if several clients publish at
        the same time, kept or not.  The events of each publisher keep their order.
        """
        watchers = [await self.subscribed("chat/a", f"w{n}") for n in range(3)]
        publishers = [await self.client(f"u{n}") for n in range(4)]
        for number in range(50):
            for publisher in publishers:
                publisher.tell(
                    {
                        "type": "publish",
                        "topic": "chat/a",
                        "event": "e",
                        "data": number,
                        "persist": number % 3 == 0,
                        "id": str(number),
                    }
                )
            if number % 10 == 0:
                await self.emit("e", number, "chat/a", persist=True, userId="server")
        seen = [
            [(f["userId"], f["data"]) for f in await watcher.frames(205)] for watcher in watchers
        ]
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0], seen[2])
        for n, publisher in enumerate(publishers):
            self.assertEqual([d for u, d in seen[0] if u == f"u{n}"], list(range(50)))
            acks = [frame["id"] for frame in await publisher.frames(50)]
            self.assertEqual(acks, [str(number) for number in range(50)])

    async def test_subscribedFirst(self) -> None:
        """
        While a program writes continuously, C{subscribed} comes before any change, and no change
        after it is missing.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        await self.subscribed("orders")
        clients: list[Wire] = []
        written = 0
        # The program writes until each client has its answer, and a change behind that.
        while len(clients) < 10 or not all(client.waitingFrames() > 1 for client in clients):
            self.execute(f"INSERT INTO orders VALUES ({written})")
            written += 1
            if len(clients) < 10:
                clients.append(await self.client())
                clients[-1].tell({"type": "subscribe", "topic": "orders"})
            await self.sleep(0.01)
        for client in clients:
            self.assertEqual((await client.frame())["type"], "subscribed")
            first = (await client.frame())["data"]["id"]
            rest = [frame["data"]["id"] for frame in await client.frames(written - 1 - first)]
            self.assertEqual(rest, list(range(first + 1, written)))

    async def test_pages(self) -> None:
        """
        Pages of the history neither skip nor repeat a message while clients add messages.
        """
        writer = await self.client("ann")

        async def write(numbers: range) -> None:
            for number in numbers:
                text = json.dumps(number)
                writer.tell({"type": "chat", "roomId": "a", "text": text})
                if number % 20 == 0:
                    await self.sleep(0.01)
            last = str(numbers[-1])
            while [each["data"]["text"] for each in await self.page("limit=1")] != [last]:
                await self.sleep(0.01)

        async def read() -> list[int]:
            found: list[int] = []
            before = ""
            while messages := await self.page(f"limit=7{before}"):
                found += [int(message["data"]["text"]) for message in messages]
                before = f"&before={messages[-1]['created_at']}"
            return found

        await write(range(200))
        _, *readings = await gather(write(range(200, 400)), read(), read())
        for found in (*readings, await read()):
            self.assertEqual(found, list(range(found[0], -1, -1)))
        self.assertEqual(len(await read()), 400)
        self.assertEqual(len(await self.page("")), 50)
        self.assertEqual(len(await self.page("limit=1000000")), 300)

    async def page(self, query: str) -> list[Frame]:
        """
        Get a page of a chat room's history.
        """
        status, body, _ = await self.http(
            "GET", f"/api/v1/public/realtime/history?room=chat/a/p&{query}"
        )
        self.assertEqual(status, 200)
        self.assertEqual(body.keys(), {"messages"})
        messages: list[Frame] = body["messages"]
        for message in messages:
            self.assertEqual(
                message.keys(), {"id", "room_id", "user_id", "event", "data", "created_at"}
            )
        return messages


class HistoryTests(ClientTests):
    """
    Tests for the history over HTTP: refusals, and origins of pages.
    """

    history = "/api/v1/public/realtime/history"

    async def test_badArguments(self) -> None:
        """
        A limit or a position that is not a whole number, or a missing topic, is answered with 400.
        """
        for query in (
            *(
                f"limit={bad}"
                for bad in ("0", "-1", "x", "", "1.5", "1e3", "%00", "9" * 40, "%D9%A1")
            ),
            *(f"before={bad}" for bad in ("-1", "x", "", "1.5", "9" * 40)),
            "limit=%ff",
        ):
            status, body, _ = await self.http("GET", f"{self.history}?room=chat/a/p&{query}")
            self.assertEqual((status, body["error"]), (400, "invalid_arguments"), query)
        for room, code in (("", "invalid_arguments"), ("a//b/p", "invalid_topic")):
            status, body, _ = await self.http("GET", f"{self.history}?room={room}")
            self.assertEqual((status, body["error"]), (400, code))
        _, body, _ = await self.http("GET", f"{self.history}?room=chat/a/p&before=0")
        self.assertEqual(body, {"messages": []})

    async def test_credentials(self) -> None:
        """
        A key, or a token, opens the history of its own project and no other.
        """
        token = f"Bearer {makeToken(topics={'subscribe': ['chat/a']})}"
        for room, headers, expected in (
            ("chat/a/q", {}, (401, "unauthorized")),
            ("chat/a/q", {"X_Aerostack_Key": "pk_nobody"}, (401, "unauthorized")),
            ("chat/a/q", {"Authorization": "Bearer a.b.c"}, (401, "invalid_token")),
            ("chat/a/q", {"Authorization": "Basic YTpi"}, (401, "unauthorized")),
            ("chat/a/q", {"X_Aerostack_Key": PUBLIC_KEY}, (403, "wrong_project")),
            ("chat/b/q", {"Authorization": token}, (403, "forbidden")),
        ):
            status, body, _ = await self.http("GET", f"{self.history}?room={room}", **headers)
            self.assertEqual((status, body["error"]), expected, (room, headers))
        for headers in ({"X_Aerostack_Key": "pk_of_q_23456789abcd"}, {"Authorization": token}):
            status, body, _ = await self.http("GET", f"{self.history}?room=chat/a", **headers)
            self.assertEqual((status, body), (200, {"messages": []}))

    async def test_pages(self) -> None:
        """
        Pages of an allowed origin may read answers and refusals, with or without a preflight;
        other pages only get, and may only read, that they are not let in.
        """
        room = f"{self.history}?room=chat/a/p"
        asked = {"Access_Control_Request_Method": "GET"}
        for origin in (ORIGIN, "http://evil.test", "null"):
            for method, path, extra in (
                ("OPTIONS", self.history, asked),
                ("GET", room, {}),
                ("GET", self.history, {}),
            ):
                status, body, headers = await self.http(method, path, Origin=origin, **extra)
                self.assertEqual(headers.getRawHeaders("access-control-allow-origin"), [origin])
                self.assertEqual(headers.getRawHeaders("vary"), ["origin"])
                if method == "OPTIONS":
                    self.assertEqual(status, 204)
                    named = headers.getRawHeaders("access-control-allow-headers")
                    expected = "authorization, content-type, x-aerostack-key, x-aerostack-project"
                    self.assertEqual(named, [expected])
                elif origin != ORIGIN:
                    self.assertEqual((status, body["error"]), (403, "origin_not_allowed"))
                    self.assertIn("projects.<id>.origins", body["message"])
