"""
The daemon with clients that have no WebSocket.
"""

from __future__ import annotations

import json
import socket
from typing import Any

import treq
from twisted.web.client import Agent

from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.daemon import DaemonTests, gather
from tests.live.nodes import NodesTests
from tests.live.streamreaders import Reader

SUBSCRIBE = {"type": "subscribe", "topic": "chat/a"}


class EventsTests(DaemonTests):
    """
    Lets clients connect over server-sent events.
    """

    async def open(self, *frames: Any, **headers: str) -> Reader:
        """
        Open a connection, and wait for its first frame.
        """
        response = await treq.post(
            f"http://127.0.0.1:{self.port}/api/realtime/sse",
            data=json.dumps(frames).encode(),
            headers={
                "X-Aerostack-Key": PUBLIC_KEY,
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
            agent=Agent(self.reactor, pool=self.pool),
            unbuffered=True,
        )
        self.assertEqual(response.code, 200)
        reader = Reader(response)
        self.addCleanup(reader.drop)
        await self.until(lambda: reader.events)
        return reader

    async def send(self, reader: Reader, *frames: Any) -> tuple[int, Any]:
        """
        Send frames in a request of their own.
        """
        status, body, _ = await self.http(
            "POST",
            "/api/realtime/send",
            json.dumps(frames).encode(),
            X_Aerostack_Session=reader.values[0]["session"],
        )
        return status, body

    def data(self, reader: Reader) -> list[Any]:
        """
        The data of the events that have come.
        """
        return [each["data"] for each in reader.values if each["type"] == "event"]


class OneProcessTests(EventsTests):
    """
    Tests for a daemon.
    """

    async def test_story(self) -> None:
        """
        A client subscribes, publishes, loses its connection, and gets with the id of the last event
        what it has missed.
        """
        reader = await self.open(SUBSCRIBE)
        wire = await self.subscribed("chat/a")
        _, listed, _ = await self.http(
            "GET", "/internal/admin/connections", Authorization=f"Bearer {SECRET_KEY}"
        )
        transports = [each["transport"] for each in listed["connections"]]
        self.assertEqual(transports, ["sse", "websocket"])
        publish = {"type": "publish", "topic": "chat/a", "event": "e"}
        self.assertEqual((await self.send(reader, {**publish, "data": 1}))[0], 202)
        self.assertEqual((await wire.frame())["data"], 1)
        await self.until(lambda: self.data(reader) == [1])
        place = reader.place
        reader.drop()
        await self.until(lambda: self.connected == 1)
        await self.emit("e", 2, "chat/a")
        again = await self.open(Last_Event_ID=place)
        await self.until(lambda: self.data(again) == [2])
        self.assertEqual((await self.send(again, {"type": "close"}))[0], 202)
        await again.done
        self.assertEqual(again.values[-1]["type"], "close")

    async def test_stopped(self) -> None:
        """
        A daemon that stops says when to come back, and closes.  It does not wait for connections
        that have just broken.
        """
        reader = await self.open()
        broken = await self.open()
        broken.drop()
        await self.until(lambda: self.connected == 1)
        await self.stop()
        await reader.done
        self.assertEqual([each["type"] for each in reader.values[1:]], ["reconnect", "close"])

    async def test_unheard(self) -> None:
        """
        The system ends a connection whose other end acknowledges nothing.
        """
        await self.open()
        (connection,) = self.front.connections._sessions
        handle = connection._request.channel.transport.getHandle()
        limits = self.front.config.limits
        patience = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        self.assertEqual(patience, 1000 * (limits.pingInterval + limits.pongTimeout))

    async def test_many(self) -> None:
        """
        Of many requests at the same time each has its frames taken, in order.
        """
        reader = await self.open(SUBSCRIBE)

        async def publish(number: int) -> None:
            event = {"type": "publish", "topic": "chat/a", "event": "e"}
            pair = [{**event, "data": number}, {**event, "data": -number}]
            status, _ = await self.send(reader, *pair)
            self.assertEqual(status, 202)

        for start in range(1, 400, 50):
            await gather(*(publish(number) for number in range(start, start + 50)))
        await self.until(lambda: len(self.data(reader)) == 800)
        data = self.data(reader)
        for number in range(1, 401):
            self.assertLess(data.index(number), data.index(-number))


class WorkersTests(EventsTests):
    """
    Tests for a daemon with two workers.
    """

    workers = 2

    async def test_elsewhere(self) -> None:
        """
        Frames reach the connection, whichever worker gets the request; a session that there is not
        is refused.
        """
        readers = [await self.open(SUBSCRIBE) for _ in range(4)]
        for number in range(5):
            event = {"type": "publish", "topic": "chat/a", "event": "e", "data": number}
            statuses = await gather(*(self.send(reader, event) for reader in readers))
            self.assertEqual([status for status, _ in statuses], [202] * 4)
        for reader in readers:
            await self.until(lambda reader=reader: len(self.data(reader)) == 20)
        status, body, _ = await self.http(
            "POST", "/api/realtime/send", b"{}", X_Aerostack_Session="c0123-1.nix"
        )
        self.assertEqual((status, body["error"]), (404, "unknown_session"))


class NodesEventsTests(EventsTests, NodesTests):
    """
    Tests for two daemons that share their topics.
    """

    async def test_otherNode(self) -> None:
        """
        Frames reach the connection, whichever node gets the request, and a client resumes at the
        other node.
        """
        reader = await self.known()
        event = {"type": "publish", "topic": "chat/a", "event": "e", "data": 1}
        status = 404
        while status == 404:
            status, _ = await self.send(reader, event)
        self.assertEqual(status, 202)
        await self.until(lambda: self.data(reader) == [1])
        reader.drop()
        self.at(0)
        await self.emit("e", 2, "chat/a")
        self.at(1)
        again = await self.open(Last_Event_ID=reader.place)
        await self.until(lambda: self.data(again) == [2])
        self.assertTrue(again.values[1]["recovered"])

    async def known(self) -> Reader:
        """
        Open a connection at the first node, and go on at the second one once that knows it.

        A worker may just now be told the key of the seals of all nodes.  Then the client is refused
        and opens another connection, as clients do.
        """
        while True:
            self.at(0)
            reader = await self.open(SUBSCRIBE)
            self.at(1)
            status, body = await self.send(reader)
            if status == 202:
                return reader
            self.assertEqual((status, body["error"]), (404, "unknown_session"))
            reader.drop()


class NodeWorkersEventsTests(NodesEventsTests):
    """
    Tests for two daemons with two workers each.
    """

    workers = 2
