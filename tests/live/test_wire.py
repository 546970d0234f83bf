"""
The bytes that the public clients send and get.
"""

from __future__ import annotations

from aerostack.testing import PUBLIC_KEY
from tests.live.clients import CHROMIUM, DART, GO, NODE, PYTHON, ClientTests, makeToken
from tests.live.wire import CLOSE, Frame, maskedFrame


class TypeScriptTests(ClientTests):
    """
    The TypeScript client, in a browser and in Node.
    """

    async def test_conversation(self) -> None:
        """
        A page and a server exchange every frame of the client.
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
        change: Frame = {"type": "db_change", "topic": "table/orders/p"}
        old, new, gone = ({"id": n, "status": s} for n, s in ((1, "old"), (2, "new"), (2, "gone")))
        last = {**change, "commit": True}
        self.execute("INSERT INTO orders VALUES (1, 'old'), (2, 'new')")
        self.told(await page.frame(), **change, operation="INSERT", data=old)
        for client in (page, node):
            self.told(await client.frame(), **last, operation="INSERT", data=new)
        self.execute("UPDATE orders SET status = 'gone' WHERE id = 2")
        self.told(await page.frame(), **last, operation="UPDATE", data=gone, old=new)
        self.told(await node.frame(), **last, operation="DELETE", data=new, old=new, moved=True)
        self.execute("DELETE FROM orders WHERE id = 1")
        self.told(await page.frame(), **last, operation="DELETE", data=old, old=old)

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
        A token sets the user, C{auth} replaces the token, and an invalid token gets an error and a
        close.
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
        self.assertEqual(error.keys(), {"type", "code", "message", "request"})
        self.assertEqual((error["type"], error["code"]), ("error", "invalid_token"))
        await client.lost
        self.assertEqual(client.closeCode, 4001)

    async def test_closesWithoutACode(self) -> None:
        """
        When a browser closes without a code, its presence ends at once.
        """
        self.front.hub.presence.rosters.grace = 3600
        watcher = await self.subscribed("room/a")
        client = await self.client("ann")
        client.tell({"type": "track", "topic": "room/a", "state": {}})
        await watcher.frame()
        client.write(maskedFrame(b"", CLOSE))
        self.assertEqual((await watcher.frame())["event"], "presence:leave")

    async def test_anyPage(self) -> None:
        """
        An allowed origin may connect whatever its scheme and the C{Host}.
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
        The daemon ignores extensions, and treats empty subprotocols as missing.
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
        The clients exchange frames, and each recognizes its subscription by the topic that it
        sent.
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
            commit=True,
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
        If credentials are allowed in the URL, a token there names the user and, if nothing else
        does, the project.
        """
        python = await self.opened(PYTHON, f"/api/realtime?token={makeToken(projectId='q')}")
        python.text(b'{"type": "subscribe", "topic": "chat/x", "filter": null}')
        self.assertEqual((await python.frame())["topic"], "chat/x/q")
        python.text(b'{"type": "auth", "token": "%b"}' % makeToken("bob").encode())
        python.text(b'{"type": "chat", "roomId": "x", "text": "hi"}')
        self.assertEqual((await python.frame())["userId"], "bob")
