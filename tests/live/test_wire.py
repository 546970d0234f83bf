"""
The public clients, byte for byte, and what they are answered.

What they send stands here as they send it: key order, spaces and newlines are
theirs.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import jwt

from aerostack.settings import Config, HistoryConfig, JWTConfig, ProjectConfig, ServerConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET, makeProject
from tests.live.daemon import ORIGIN, DaemonTests, gather
from tests.live.wire import CLOSE, Frame, Refused, Wire, maskedFrame

KEY = "dGhlIHNhbXBsZSBub25jZQ=="

CHROMIUM = """\
GET {path} HTTP/1.1
Host: 127.0.0.1:8787
Connection: Upgrade
Pragma: no-cache
Cache-Control: no-cache
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
Chrome/126.0.0.0 Safari/537.36
Upgrade: websocket
Origin: http://app.test
Sec-WebSocket-Version: 13
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Sec-WebSocket-Protocol: {protocols}

"""

NODE = """\
GET {path} HTTP/1.1
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Sec-WebSocket-Protocol: {protocols}
Host: localhost:8787

"""

PYTHON = """\
GET {path} HTTP/1.1
Host: localhost:8787
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
User-Agent: Python/3.12 websockets/12.0

"""

DART = """\
GET {path} HTTP/1.1
user-agent: Dart/3.4 (dart:io)
connection: Upgrade
cache-control: no-cache
accept-encoding: gzip
content-length: 0
sec-websocket-version: 13
sec-websocket-extensions: permessage-deflate; client_max_window_bits
host: localhost:8787
sec-websocket-protocol: {protocols}
sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==
upgrade: websocket

"""

GO = """\
GET {path} HTTP/1.1
Host: localhost:8787
User-Agent: Go-http-client/1.1
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Protocol: {protocols}
Sec-WebSocket-Version: 13
Upgrade: websocket

"""


def makeToken(sub: str = "ann", **claims: Any) -> str:
    return jwt.encode({"sub": sub, **claims}, TOKEN_SECRET, "HS256")


class ClientTests(DaemonTests):
    """
    What the clients' tests share.
    """

    queryCredentials = False

    def projects(self) -> dict[str, ProjectConfig]:
        token = JWTConfig(algorithm="HS256", key=TOKEN_SECRET)
        return {
            "p": makeProject(origins=(ORIGIN,)),
            "q": makeProject(
                id="q",
                publicKey="pk_of_q_23456789abcd",
                secretKey="sk_of_q_23456789abcd",
                anonymous=False,
                origins=("capacitor://localhost", "http://localhost:*"),
                jwt=token,
            ),
        }

    def config(self) -> Config:
        server = ServerConfig((), self.queryCredentials)
        return replace(super().config(), server=server, history=HistoryConfig(pageSize=300))

    async def opened(self, opening: str, path: str, protocols: str = "") -> Wire:
        """
        Open as a client does, and see that the answer is one it takes.
        """
        wire = await self.wire()
        request = opening.format(path=path, protocols=protocols).replace("\n", "\r\n")
        await wire.open(request.encode(), KEY.encode())
        self.assertNotIn("sec-websocket-extensions", wire.headers)
        chosen = "aerostack-v1" if protocols else None
        self.assertEqual(wire.headers.get("sec-websocket-protocol"), chosen)
        return wire

    async def refused(self, path: str, **headers: str) -> tuple[int, str, Refused]:
        """
        Be refused.
        """
        wire = await self.wire()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        refusal = await self.assertFailure(wire.upgrade(path, sent), Refused)
        self.assertEqual(refusal.headers["content-type"], "application/json")
        self.assertLessEqual(set(refusal.body), {"error", "message", "retryAfter"})
        self.assertTrue(refusal.body["message"].endswith("."), refusal.body)
        return refusal.status, refusal.body["error"], refusal

    def told(self, frame: Frame, **fields: Any) -> None:
        """
        Make sure that a frame has exactly these fields, and the present as its
        timestamp.
        """
        timestamp = frame.pop("timestamp")
        self.assertIs(type(timestamp), int)
        self.assertLess(abs(timestamp - time.time() * 1000), 60_000)
        self.assertEqual(frame, fields)


class TypeScriptTests(ClientTests):
    """
    The TypeScript client, in a browser and in Node.
    """

    async def test_conversation(self) -> None:
        """
        A page and a server talk, with every frame that the client has.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        protocols = f"aerostack-key.{PUBLIC_KEY}, aerostack-v1"
        page = await self.opened(CHROMIUM, "/api/realtime?projectId=p&userId=u", protocols)
        node = await self.opened(
            NODE, "/api/realtime?projectId=p&userId=n", protocols.replace(", ", ",")
        )
        page.text(b'{"type":"subscribe","topic":"table/orders/p"}')
        node.text(b'{"type":"subscribe","topic":"table/orders/p","filter":{"status":"new"}}')
        for client in (page, node):
            answer = {"type": "subscribed", "topic": "table/orders/p"}
            self.assertEqual(await client.frame(), answer)
        self.execute("INSERT INTO orders VALUES (1, 'old'), (2, 'new')")
        self.execute("UPDATE orders SET status = 'gone' WHERE id = 2")
        self.execute("DELETE FROM orders WHERE id = 1")
        change: Frame = {"type": "db_change", "topic": "table/orders/p"}
        old, new, gone = ({"id": n, "status": s} for n, s in ((1, "old"), (2, "new"), (2, "gone")))
        self.told(await page.frame(), **change, operation="INSERT", data=old)
        for client in (page, node):
            self.told(await client.frame(), **change, operation="INSERT", data=new)
        self.told(await page.frame(), **change, operation="UPDATE", data=gone, old=new)
        self.told(await page.frame(), **change, operation="DELETE", data=old, old=old)
        moved = await node.frame()
        self.assertEqual((moved["operation"], moved["data"]), ("DELETE", new))

        for client in (page, node):
            client.text(b'{"type":"subscribe","topic":"chat/general/p"}')
            answer = {"type": "subscribed", "topic": "chat/general/p"}
            self.assertEqual(await client.frame(), answer)
        page.text(
            b'{"type":"publish","topic":"chat/general/p","event":"message","data":{"a":1},'
            b'"id":"k3jx9mabc"}'
        )
        event: Frame = {"type": "event", "topic": "chat/general/p"}
        for client in (page, node):
            self.told(await client.frame(), **event, event="message", data={"a": 1}, userId="u")
        self.assertEqual(await page.frame(), {"type": "ack", "id": "k3jx9mabc"})
        node.text(
            b'{"type":"publish","topic":"chat/general/p","event":"message","data":{"a":2},'
            b'"persist":true,"id":"k3jx9mabd"}'
        )
        for client in (page, node):
            self.told(await client.frame(), **event, event="message", data={"a": 2}, userId="n")
        self.assertEqual(await node.frame(), {"type": "ack", "id": "k3jx9mabd"})

        page.text(b'{"type":"track","topic":"chat/general/p","state":{"status":"online"}}')
        joined = await node.frame()
        member = joined["data"]
        since = member["since"]
        self.assertEqual(
            member,
            {
                "userId": "u",
                "connectionId": member["connectionId"],
                "state": {"status": "online"},
                "since": since,
            },
        )
        self.told(joined, **event, event="presence:join", data=member, userId="u")
        self.told(await page.frame(), **event, event="presence:join", data=member, userId="u")
        self.told(await page.frame(), **event, event="presence:sync", data={"members": [member]})
        page.text(b'{"type":"untrack","topic":"chat/general/p"}')
        for client in (page, node):
            self.told(
                await client.frame(), **event, event="presence:leave", data=member, userId="u"
            )

        node.text(b'{"type":"chat","roomId":"general","text":"hi"}')
        page.text(b'{"type":"chat","roomId":"general","text":"yo","metadata":{"to":"n"}}')
        for client in (page, node):
            said = sorted(await client.frames(2), key=lambda frame: frame["userId"])
            for frame, user, text, metadata in (
                (said[0], "n", "hi", None),
                (said[1], "u", "yo", {"to": "n"}),
            ):
                data = {"id": frame["data"]["id"], "text": text, "metadata": metadata}
                self.told(
                    frame,
                    type="chat_message",
                    topic="chat/general/p",
                    event="message",
                    data=data,
                    userId=user,
                )

        page.text(b'{"type":"ping"}')
        self.assertEqual(await page.frame(), {"type": "pong"})
        page.text(b'{"type":"unsubscribe","topic":"chat/general/p"}')
        answer = {"type": "unsubscribed", "topic": "chat/general/p"}
        self.assertEqual(await page.frame(), answer)
        self.assertEqual(await node.barrier(), [])

    async def test_token(self) -> None:
        """
        A token makes the user; with C{auth} another takes its place, and one that is
        bad is an error and a close.
        """
        token = makeToken("ann", projectId="q")
        protocols = f"aerostack-key.pk_of_q_23456789abcd,aerostack-token.{token},aerostack-v1"
        client = await self.opened(NODE, "/api/realtime?projectId=q&userId=mallory", protocols)
        self.assertNotIn(token, str(client.headers))
        client.text(b'{"type":"subscribe","topic":"chat/a/q"}')
        await client.frame()
        for user in ("ann", "bob"):
            client.text(b'{"type":"publish","topic":"chat/a/q","event":"e","data":null,"id":"1"}')
            self.assertEqual((await client.frames(2))[0]["userId"], user)
            client.text(b'{"type":"auth","token":"%b"}' % makeToken("bob").encode())
        client.text(b'{"type":"auth","token":"not.a.token"}')
        error = await client.frame()
        self.assertEqual(error.keys(), {"type", "code", "message"})
        self.assertEqual((error["type"], error["code"]), ("error", "invalid_token"))
        await client.lost
        self.assertEqual(client.closeCode, 4001)

    async def test_closesWithoutACode(self) -> None:
        """
        A browser that closes without a code means it: its presence ends at once.
        """
        self.daemon.hub._presence.grace = 3600
        watcher = await self.subscribed("room/a")
        client = await self.client("ann")
        client.tell({"type": "track", "topic": "room/a", "state": {}})
        await watcher.frame()
        client.write(maskedFrame(b"", CLOSE))
        self.assertEqual((await watcher.frame())["event"], "presence:leave")

    async def test_anyPage(self) -> None:
        """
        An origin that is allowed is let in whatever its scheme, whatever the Host.
        """
        for origin in ("capacitor://localhost", "http://localhost:3000"):
            for host in ("example.test", "example.test:443", "[::1]:8787", ""):
                wire = await self.wire()
                await wire.upgrade(
                    "/api/realtime",
                    {
                        "Origin": origin,
                        "Host": host,
                        "Sec-WebSocket-Protocol": "aerostack-key.pk_of_q_23456789abcd,aerostack-v1",
                    },
                )

    async def test_oddOffers(self) -> None:
        """
        Extensions are ignored, and empty subprotocols are none.
        """
        for extensions in ("permessage-deflate", "x-nonsense; a=b; a", ";;,", '"', "\u00ff"):
            wire = await self.wire()
            await wire.upgrade(
                "/api/realtime?projectId=p",
                {"Sec-WebSocket-Extensions": extensions, "Sec-WebSocket-Protocol": ",a,,b,"},
            )
            self.assertNotIn("sec-websocket-extensions", wire.headers)
            self.assertNotIn("sec-websocket-protocol", wire.headers)


class OtherClientsTests(ClientTests):
    """
    The Python, Dart and Go clients.
    """

    queryCredentials = True

    async def test_conversation(self) -> None:
        """
        They talk with each other, and each can tell its subscription by what it sent.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        python = await self.opened(PYTHON, f"/api/realtime?apiKey={PUBLIC_KEY}")
        dart = await self.opened(DART, "/api/realtime", f"aerostack-key.{PUBLIC_KEY}, aerostack-v1")
        go = await self.opened(
            GO, "/api/realtime?projectId=p&userId=g", f"aerostack-key.{PUBLIC_KEY}, aerostack-v1"
        )
        python.text(b'{"type": "subscribe", "topic": "table/orders", "filter": null}')
        answer = {"type": "subscribed", "topic": "table/orders/p"}
        self.assertEqual(await python.frame(), answer)
        python.text(b'{"type": "subscribe", "topic": "chat/x", "filter": null}')
        dart.text(b'{"type":"subscribe","topic":"chat/x","filter":null}')
        go.text(b'{"type":"subscribe","topic":"chat/x"}\n')
        for client in (python, dart, go):
            answer = {"type": "subscribed", "topic": "chat/x/p"}
            self.assertEqual(await client.frame(), answer)
        self.execute("INSERT INTO orders VALUES (7)")
        self.told(
            await python.frame(),
            type="db_change",
            topic="table/orders/p",
            operation="INSERT",
            data={"id": 7},
        )
        dart.text(
            b'{"type":"publish","topic":"chat/x/p","event":"cursor","data":{"x":1},'
            b'"persist":false,"id":"chat/x:1"}'
        )
        event: Frame = {"type": "event", "topic": "chat/x/p"}
        for client in (python, dart, go):
            self.told(await client.frame(), **event, event="cursor", data={"x": 1})
        self.assertEqual(await dart.frame(), {"type": "ack", "id": "chat/x:1"})
        go.text(
            b'{"data":{"a":1},"event":"e","id":"1f","persist":false,"topic":"chat/x/p",'
            b'"type":"publish"}\n'
        )
        for client in (python, dart, go):
            self.told(await client.frame(), **event, event="e", data={"a": 1}, userId="g")
        self.assertEqual(await go.frame(), {"type": "ack", "id": "1f"})
        python.text(b'{"type": "chat", "roomId": "x", "text": "hi"}')
        for client in (python, dart, go):
            self.assertEqual((await client.frame())["data"]["text"], "hi")
        go.text(b'{"roomId":"x","text":"hi","type":"chat"}\n')
        for client in (python, dart, go):
            self.assertEqual((await client.frame())["userId"], "g")
        python.text(b'{"type": "ping"}')
        go.text(b'{"type":"ping"}\n')
        for client in (python, go):
            self.assertEqual(await client.frame(), {"type": "pong"})
        python.text(b'{"type": "unsubscribe", "topic": "table/orders/p"}')
        answer = {"type": "unsubscribed", "topic": "table/orders/p"}
        self.assertEqual(await python.frame(), answer)
        _, page, _ = await self.http(
            "GET", "/api/v1/public/realtime/history?room=chat/x", X_Aerostack_Key=PUBLIC_KEY
        )
        self.assertEqual([m["user_id"] for m in page["messages"]], ["g", None])

    async def test_tokenInTheURL(self) -> None:
        """
        Where the URL may hold credentials, a token there names the user and, if no one
        else does, the project.
        """
        python = await self.opened(PYTHON, f"/api/realtime?token={makeToken(projectId='q')}")
        python.text(b'{"type": "subscribe", "topic": "chat/x", "filter": null}')
        self.assertEqual((await python.frame())["topic"], "chat/x/q")
        python.text(b'{"type": "auth", "token": "%b"}' % makeToken("bob").encode())
        python.text(b'{"type": "chat", "roomId": "x", "text": "hi"}')
        self.assertEqual((await python.frame())["userId"], "bob")


class RefusalTests(ClientTests):
    """
    Openings that are refused, over HTTP and with a reason.
    """

    limits = {"connections": 2}  # noqa: RUF012

    async def test_upgrade(self) -> None:
        """
        What asks for no WebSocket, or for another version, is told how to ask.
        """
        path = "/api/realtime?projectId=p"
        for headers in (
            {"Upgrade": "h2c"},
            {"Connection": "close"},
            {"Sec_WebSocket_Version": "8"},
        ):
            status, error, refusal = await self.refused(path, **headers)
            self.assertEqual((status, error), (426, "upgrade_required"))
            self.assertEqual(refusal.headers["upgrade"], "websocket")
            self.assertEqual(refusal.headers["sec-websocket-version"], "13")
        status, body, headers = await self.http("GET", path)
        self.assertEqual((status, body["error"]), (426, "upgrade_required"))

    async def test_malformed(self) -> None:
        """
        A bad key, a doubled subprotocol, a credential in the URL, or no project: 400.
        """
        path = "/api/realtime?projectId=p"
        key = f"aerostack-key.{PUBLIC_KEY}"
        for where, headers in (
            (path, {"Sec_WebSocket_Key": "short"}),
            (path, {"Sec_WebSocket_Protocol": "aerostack-v1,aerostack-v1"}),
            (path, {"Sec_WebSocket_Protocol": f"{key}, aerostack-key.other"}),
            (f"{path}&apiKey={PUBLIC_KEY}", {}),
            (f"{path}&token=a.b.c", {}),
            (f"{path}&userId=%ff", {}),
            ("/api/realtime", {}),
        ):
            status, error, refusal = await self.refused(where, **headers)
            self.assertEqual((status, error), (400, "invalid_arguments"), where)
            self.assertNotIn(PUBLIC_KEY, str(refusal.body))

    async def test_unauthorized(self) -> None:
        """
        No credential where one is needed, an unknown key, a bad or old token: 401.
        """
        path = "/api/realtime?projectId=q"
        for protocols, code in (
            ("aerostack-v1", "unauthorized"),
            ("aerostack-key.pk_nobody, aerostack-v1", "unauthorized"),
            ("aerostack-token.a.b.c, aerostack-v1", "invalid_token"),
            (f"aerostack-token.{makeToken(exp=1)}, aerostack-v1", "token_expired"),
        ):
            status, error, refusal = await self.refused(path, Sec_WebSocket_Protocol=protocols)
            self.assertEqual((status, error), (401, code))
            self.assertEqual(refusal.headers["www-authenticate"], "Bearer")

    async def test_forbidden(self) -> None:
        """
        A foreign page, projects that disagree, a secret key from a page: 403.
        """
        key = {"Sec_WebSocket_Protocol": f"aerostack-key.{PUBLIC_KEY}, aerostack-v1"}
        secret = {"Sec_WebSocket_Protocol": f"aerostack-key.{SECRET_KEY}, aerostack-v1"}
        ofQ = (
            f"aerostack-key.{PUBLIC_KEY}, aerostack-token.{makeToken(projectId='q')}, aerostack-v1"
        )
        for where, headers, code in (
            ("?projectId=p", {"Origin": "http://evil.test"}, "origin_not_allowed"),
            ("?projectId=p", {"Origin": "null"}, "origin_not_allowed"),
            ("?projectId=p", {"Origin": f"{ORIGIN}.evil.test"}, "origin_not_allowed"),
            ("?projectId=q", key, "wrong_project"),
            ("", {"Sec_WebSocket_Protocol": ofQ}, "wrong_project"),
            ("?projectId=p", {"Origin": ORIGIN, **secret}, "forbidden"),
        ):
            status, error, _ = await self.refused(f"/api/realtime{where}", **headers)
            self.assertEqual((status, error), (403, code), (where, headers))

    async def test_unknownProject(self) -> None:
        """
        A project that there is not: 404.
        """
        for project in ("x", "P", "p%00", "../p", "'%20OR%201=1", "x" * 5000):
            status, error, _ = await self.refused(f"/api/realtime?projectId={project}")
            self.assertEqual((status, error), (404, "unknown_project"))

    async def test_tooMany(self) -> None:
        """
        One connection more than the daemon holds: 429, and when to come back.
        """
        first = await self.client()
        await self.client()
        status, error, refusal = await self.refused("/api/realtime?projectId=p")
        self.assertEqual((status, error), (429, "too_many_connections"))
        self.assertEqual((refusal.headers["retry-after"], refusal.body["retryAfter"]), ("2", 2000))
        await first.closeCleanly()
        while len(self.daemon.connections) > 1:
            await self.sleep(0.01)
        await self.client()

    async def test_stopping(self) -> None:
        """
        While the daemon stops: 503, and when to come back.
        """
        waiting = await self.wire()
        self.daemon.connections.stopping = True
        refusal = await self.assertFailure(waiting.upgrade("/api/realtime?projectId=p"), Refused)
        self.assertEqual((refusal.status, refusal.body["error"]), (503, "shutting_down"))
        self.assertEqual(refusal.headers["retry-after"], "2")

    async def test_userNames(self) -> None:
        """
        A name in the URL is believed where nobody needs a credential, and only there.
        """
        believed = await self.client("ann")
        doubted = await self.wire()
        await doubted.upgrade(
            "/api/realtime?userId=ann",
            {"Sec-WebSocket-Protocol": "aerostack-key.pk_of_q_23456789abcd, aerostack-v1"},
        )
        for client, names in ((believed, ["ann"]), (doubted, [])):
            client.tell({"type": "subscribe", "topic": "chat/a"})
            client.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": 1})
            _, event = await client.frames(2)
            self.assertEqual([event["userId"]] if "userId" in event else [], names)


class OrderTests(ClientTests):
    """
    Order and completeness.
    """

    async def test_oneOrder(self) -> None:
        """
        Everybody gets a topic's events in the same order, whoever publishes at the same
        time, kept or not; each publisher's own stay in their order.
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
        While somebody writes all the time, C{subscribed} comes before any change, and
        no change after it is missing.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        await self.subscribed("orders")
        clients = []
        for number in range(30):
            self.execute(f"INSERT INTO orders VALUES ({number})")
            if number < 10:
                clients.append(await self.client())
                clients[-1].tell({"type": "subscribe", "topic": "orders"})
            await self.sleep(0.01)
        for client in clients:
            self.assertEqual((await client.frame())["type"], "subscribed")
            first = (await client.frame())["data"]["id"]
            rest = [frame["data"]["id"] for frame in await client.frames(29 - first)]
            self.assertEqual(rest, list(range(first + 1, 30)))

    async def test_pages(self) -> None:
        """
        Pages of history neither skip nor repeat while messages are added.
        """
        writer = await self.client("ann")

        async def write(numbers: range) -> None:
            for number in numbers:
                text = json.dumps(number)
                writer.tell({"type": "chat", "roomId": "a", "text": text})
                if number % 20 == 0:
                    await self.sleep(0.01)
            while (await self.page("limit=1"))[0]["data"]["text"] != str(numbers[-1]):
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
        Ask for a page of a room's history.
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
    History over HTTP: what is refused, and whose pages may read it.
    """

    history = "/api/v1/public/realtime/history"

    async def test_badArguments(self) -> None:
        """
        A limit or a position that is no whole number, or no topic: 400.
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
        A key, or a token, opens its own project's history and no other.
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
        Pages of an allowed origin may read answers and refusals, after asking or
        without; others may not.
        """
        room = f"{self.history}?room=chat/a/p"
        asked = {"Access_Control_Request_Method": "GET"}
        for origin, allowed in ((ORIGIN, [ORIGIN]), ("http://evil.test", None), ("null", None)):
            for method, path, extra in (
                ("OPTIONS", self.history, asked),
                ("GET", room, {}),
                ("GET", self.history, {}),
            ):
                status, _, headers = await self.http(method, path, Origin=origin, **extra)
                self.assertEqual(headers.getRawHeaders("access-control-allow-origin"), allowed)
                self.assertEqual(headers.getRawHeaders("vary"), ["origin"])
                if method == "OPTIONS":
                    self.assertEqual(status, 204)
                    named = headers.getRawHeaders("access-control-allow-headers")
                    expected = ["authorization, content-type, x-aerostack-key"]
                    self.assertEqual(named, expected if allowed else None)
        status, body, _ = await self.http("GET", room, Origin="http://evil.test")
        self.assertEqual((status, body["error"]), (403, "origin_not_allowed"))
