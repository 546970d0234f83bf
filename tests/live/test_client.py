"""
The Python client against a running daemon.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint

from aerostack.client.channel import Channel
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import PUBLIC_KEY, TOKEN_SECRET, makeProject
from tests.live.clients import makeToken
from tests.live.daemon import ORIGIN, DaemonTests
from tests.live.program import ProgramTests
from tests.live.relay import Relay
from tests.net import socketPath


class ClientTests(DaemonTests):
    """
    A client over a real WebSocket.
    """

    limits = {"messageBytes": 600_000, "framesBurst": 5000}  # noqa: RUF012

    def projects(self) -> dict[str, ProjectConfig]:
        return {"p": makeProject(origins=(ORIGIN,), dbQuery=True), "q": self.withTokens()}

    def withTokens(self) -> ProjectConfig:
        """Configure a project whose users have tokens."""
        return makeProject(
            id="q",
            publicKey="pk_of_q_23456789abcd",
            secretKey="sk_of_q_23456789abcd",
            anonymous=False,
            jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET),
        )

    def started(self, **options: Any) -> RealtimeClient:
        """
        Start a client.
        """
        if not options:
            options = {"projectId": "p", "apiKey": PUBLIC_KEY, "userId": "ann"}
        client = RealtimeClient(self.reactor, f"ws://127.0.0.1:{self.port}", **options)
        self.addCleanup(client.stopService)
        client.startService()
        return client

    async def test_tour(self) -> None:
        """
        An application can use events, changes, history and presence.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        client = self.started()
        statuses: list[str] = []
        client.onStatusChange(statuses.append)
        inserted: Deferred[Any] = Deferred()
        orders = client.channel("orders").on("INSERT", inserted.callback)
        await orders.subscribe()
        self.execute("INSERT INTO orders VALUES (1, 'new')")
        self.assertEqual((await inserted)["data"], {"id": 1, "status": "new"})

        said: Deferred[Any] = Deferred()
        chat = client.channel("chat/a").on("message", said.callback)
        await chat.subscribe()
        await chat.publish("message", {"text": "hi"}, persist=True)
        self.assertEqual((await said)["userId"], "ann")
        (kept,) = await chat.getHistory(10)
        self.assertEqual(kept["data"], {"text": "hi"})

        chat.track({"typing": True})
        await self.until(lambda: chat.presence.members)
        self.assertEqual([m["state"] for m in chat.presence.members], [{"typing": True}])
        await client.stopService()
        self.assertEqual(statuses, ["connected", "disconnected"])
        self.assertEqual(list(self.daemon.node.provide().members.members("chat/a/p")), [])
        self.assertEqual(self.connected, 0)

    async def test_tokens(self) -> None:
        """
        A token names the project and the user, and can be replaced while the client is connected.
        """
        client = self.started(token=makeToken("ann", projectId="q"))
        heard: list[Any] = []
        channel = client.channel("chat/a").on("e", lambda frame: heard.append(frame["userId"]))
        await channel.subscribe()
        await channel.publish("e")
        client.setToken(makeToken("bob", projectId="q"))
        await channel.publish("e")
        await self.until(lambda: len(heard) == 2)
        self.assertEqual(heard, ["ann", "bob"])
        self.assertEqual(len(await channel.getHistory()), 0)

    async def test_badToken(self) -> None:
        """
        A refused token stops the client; a new token starts it again.
        """
        errors: list[str] = []
        client = self.started(token="a.b.c", projectId="q")
        client.onError(lambda error: errors.append(error.code))
        channel = client.channel("chat/a")
        failing = channel.subscribe()
        error = await self.assertFailure(failing, ClientError)
        self.assertEqual((error.code, client.status), ("invalid_token", "disconnected"))
        self.assertEqual(errors, ["invalid_token"])
        client.setToken(makeToken("ann", projectId="q"))
        await channel.publish("e")
        self.assertTrue(channel.isSubscribed)

    async def test_many(self) -> None:
        """
        Thousands of publications, sent as fast as possible, arrive in order.
        """
        client = self.started()
        got: list[int] = []
        channel = client.channel("chat/a").on("e", lambda frame: got.append(frame["data"]))
        await channel.subscribe()
        for start in range(0, 1500, 500):
            waiting = [channel.publish("e", n) for n in range(start, start + 500)]
            for each in waiting:
                await each
        await self.until(lambda: len(got) == 1500)
        self.assertEqual(got, list(range(1500)))

    async def test_large(self) -> None:
        """
        The daemon accepts a large message, and refuses one that is too large with C{too_large}.
        """
        client = self.started()
        got: list[int] = []
        channel = client.channel("chat/a").on("e", lambda frame: got.append(len(frame["data"])))
        await channel.subscribe()
        await channel.publish("e", "x" * 500_000)
        error = await self.assertFailure(channel.publish("e", "x" * 700_000), ClientError)
        self.assertEqual((error.code, client.status), ("too_large", "connected"))
        await self.until(lambda: got)
        await client.ping()
        self.assertEqual(got, [500_000])

    async def test_tooLargeForAFrame(self) -> None:
        """
        A publication for which the daemon would close the connection fails alone; other waiting
        publications succeed.
        """
        client = self.started()
        got: list[Any] = []
        channel = client.channel("chat/a").on("e", lambda frame: got.append(frame["data"]))
        await channel.subscribe()
        waiting = [channel.publish("e", data) for data in (1, "x" * 2_000_000, 2)]
        await waiting[0]
        error = await self.assertFailure(waiting[1], ClientError)
        self.assertEqual(error.code, "too_large")
        self.assertIn("1048576 bytes", error.message)
        await waiting[2]
        await self.until(lambda: got == [1, 2])

    async def test_session(self) -> None:
        """
        A client with only the public key whose connection is dead has its presence and its
        publications once after it has reconnected.
        """
        watching = self.started()
        watcher = watching.channel("chat/a")
        got: list[Any] = []
        events: list[str] = []
        watcher.on("e", lambda frame: got.append(frame["data"]))
        watcher.on("*", lambda frame: events.append(frame["event"]))
        await watcher.subscribe()
        relay = Relay(self.reactor, self.port)
        self.addCleanup(relay.stop)
        client = RealtimeClient(
            self.reactor, f"ws://127.0.0.1:{relay.port}", projectId="p", apiKey=PUBLIC_KEY
        )
        self.addCleanup(client.stopService)
        client.startService()
        channel = client.channel("chat/a")
        channel.track({})
        await channel.subscribe()
        await self.until(lambda: events == ["presence:join"])
        # The daemon gets this, but the client gets nothing any more.
        waiting = [channel.publish("e", number) for number in range(5)]
        await self.until(lambda: len(got) == 5)
        relay.cut()
        waiting += [channel.publish("e", number) for number in range(5, 10)]
        client._session.connection._cut("timed_out", "The line is dead.")
        await self.until(lambda: client.status == "reconnecting")
        # The daemon has not noticed the cut.
        relay.isCut = False
        for each in waiting:
            await each
        await self.until(lambda: len(got) >= 10)
        await watching.ping()
        self.assertEqual(sorted(got), list(range(10)))
        self.assertEqual([name for name in events if name != "e"], ["presence:join"])

    async def test_endpoint(self) -> None:
        """
        The client connects to its endpoint, whatever the URL says.
        """
        endpoint = TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.port)
        client = RealtimeClient(
            self.reactor, "ws://elsewhere.invalid", projectId="p", endpoint=endpoint
        )
        self.addCleanup(client.stopService)
        client.startService()
        await client.channel("chat/a").publish("e")

    async def test_sameName(self) -> None:
        """
        Two clients that publish with the same id are two publishers.
        """
        got: list[Any] = []
        watcher = self.started().channel("chat/a").on("e", got.append)
        await watcher.subscribe()
        for _ in range(2):
            await self.started().channel("chat/a").publish("e", "same")
        await self.until(lambda: len(got) == 2)


class RestartTests(ProgramTests):
    """
    A daemon that stops and restarts under its clients.
    """

    def user(self, name: str) -> RealtimeClient:
        """
        Start a client.
        """
        client = RealtimeClient(
            self.reactor,
            f"ws://127.0.0.1:{self.port}",
            projectId="p",
            apiKey=PUBLIC_KEY,
            userId=name,
        )
        self.addCleanup(client.stopService)
        client.startService()
        return client

    def watch(self, topic: str, event: str) -> tuple[Channel, list[Any], list[Any]]:
        """
        Watch a topic.

        @return: The channel, the frames that arrive, and the gaps.
        """
        got: list[Any] = []
        gaps: list[Any] = []
        channel = self.user("eve").channel(topic)
        channel.on(event, lambda frame: got.append(frame["data"]))
        channel.onGap(gaps.append)
        return channel, got, gaps

    async def test_everything(self) -> None:
        """
        After two kills and a planned restart, every event and every change arrives once and in
        order, and every event is kept once.
        """
        daemon = await self.serve(
            self.configure(server="restart_time = 0\nreconnect_spread = 0", more="anonymous = true")
        )
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        chat, said, chatGaps = self.watch("chat/a", "e")
        orders, rows, orderGaps = self.watch("orders", "INSERT")
        await chat.subscribe()
        await orders.subscribe()
        publisher = self.user("ann")
        channel = publisher.channel("chat/a")
        waiting: list[Deferred[None]] = []

        def work(count: int) -> None:
            for _ in range(count):
                waiting.append(channel.publish("e", len(waiting), persist=True))
                self.execute(f"INSERT INTO orders VALUES ({len(waiting)})")

        for signal in ("KILL", "TERM", "KILL"):
            work(20)
            # Some publications are in flight, some still wait.
            await waiting[-15]
            daemon.signal(signal)
            work(5)
            await daemon.ended
            work(20)
            daemon = await self.serve()
        work(20)
        for each in waiting:
            await each
        count = len(waiting)
        await self.until(lambda: len(said) >= count and len(rows) >= count)
        self.assertEqual(said, list(range(count)))
        self.assertEqual(rows, [{"id": n} for n in range(1, count + 1)])
        self.assertEqual(chatGaps + orderGaps, [])
        kept = self.execute("SELECT data FROM realtime_messages ORDER BY created_at")
        self.assertEqual([json.loads(data) for (data,) in kept], list(range(count)))

    async def test_presence(self) -> None:
        """
        After a restart, members are present again.
        """
        daemon = await self.serve(
            self.configure(server="restart_time = 0\nreconnect_spread = 0", more="anonymous = true")
        )
        channel, _, _ = self.watch("doc/1", "e")
        await channel.subscribe()
        self.user("ann").channel("doc/1").track({"n": 1})
        await self.until(lambda: channel.presence.members)
        joined: list[Any] = []
        channel.on("presence:join", joined.append).on("presence:sync", joined.append)
        daemon.signal("TERM")
        await daemon.ended
        await self.serve()
        # The client that is back first sees no other member yet.
        await self.until(lambda: joined and channel.presence.members)
        self.assertEqual([m["userId"] for m in channel.presence.members], ["ann"])

    async def test_unix(self) -> None:
        """
        The client connects over a Unix socket, and uses it for HTTP too.
        """
        path = socketPath()
        await self.serve(self.configure(f"unix:{path}", more="anonymous = true"))
        client = RealtimeClient(self.reactor, f"ws+unix://{path}", apiKey=PUBLIC_KEY)
        self.addCleanup(client.stopService)
        client.startService()
        channel = client.channel("chat/a")
        await channel.publish("e", 1, persist=True)
        self.assertEqual([m["data"] for m in await channel.getHistory()], [1])
