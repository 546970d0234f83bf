"""
The daemon's process is killed under load, and loses nothing that it acknowledged.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost, ConnectionRefusedError

from aerostack.testing import PUBLIC_KEY
from tests.live.program import ProgramTests
from tests.live.wire import Frame, Refused, Wire

CHAT, ORDERS = "chat/a/p", "table/orders/p"
KILLS = 3


class Person:
    """
    A client that reconnects as long as it is wanted.

    @ivar wanted: Whether to reconnect.
    """

    def __init__(self, test: CrashTests, name: str) -> None:
        self.wanted = True
        self._test = test
        self._name = name
        self._wire: Wire | None = None
        self.ended = Deferred.fromCoroutine(self._live())
        test.addCleanup(self.leave)

    async def _live(self) -> None:
        while self.wanted:
            try:
                self._wire = await self._test.come(self._name)
                if self.wanted:
                    self.begin(self._wire)
                while self.wanted:
                    self.receive(await self._wire.frame())
            except (ConnectionRefusedError, ConnectionLost, ConnectionResetError):
                await self._test.sleep(0.02)
            except Refused as refused:
                # A daemon whose database is late lets no client in yet.
                if refused.status != 503:
                    raise
                await self._test.sleep(0.02)

    def leave(self) -> Deferred[None]:
        """
        Stop reconnecting.
        """
        self.wanted = False
        if self._wire is not None:
            self._wire.drop()
        return self.ended

    def begin(self, wire: Wire) -> None:
        """
        Send the first frames of a new connection.
        """
        raise NotImplementedError

    def receive(self, frame: Frame) -> None:
        """
        Handle a frame.
        """
        raise NotImplementedError


class Publisher(Person):
    """
    Publishes numbers with C{persist}, each again until it is acknowledged.  It does what the daemon
    asks for where the database does not answer for a while: it waits, and sends the number again.

    @ivar acknowledged: The acknowledged numbers.
    """

    def __init__(self, test: CrashTests, name: str) -> None:
        self.acknowledged: set[int] = set()
        self._open: dict[int, None] = {}
        self._count = 0
        self._link: Wire | None = None
        super().__init__(test, name)

    def begin(self, wire: Wire) -> None:
        self._link = wire
        for number in self._open:
            self._send(number)

    def publish(self) -> None:
        """
        Publish the next number.
        """
        self._count += 1
        self._open[self._count] = None
        self._send(self._count)

    def _send(self, number: int) -> None:
        if number not in self._open:
            return
        if self._link is not None and self._link.transport is not None:
            self._link.tell(
                {
                    "type": "publish",
                    "topic": "chat/a",
                    "event": "e",
                    "data": [self._name, number],
                    "persist": True,
                    "id": number,
                }
            )

    def receive(self, frame: Frame) -> None:
        if frame["type"] == "error":
            assert frame["code"] == "database_unavailable", frame
            later = self._test.reactor.callLater(
                frame["retryAfter"] / 1000, self._send, frame["id"]
            )
            self._test.addCleanup(lambda: later.active() and later.cancel())
            return
        assert frame["type"] == "ack", frame
        self._open.pop(frame["id"], None)
        self.acknowledged.add(frame["id"])

    @property
    def waiting(self) -> int:
        """Return the number of publications without an acknowledgement."""
        return len(self._open)


class Tap(Person):
    """
    Subscribes to two topics and resumes after each reconnect.

    @ivar got: By topic, the data of the frames.
    @ivar answers: The answers to its resumes.
    """

    def __init__(self, test: CrashTests, name: str) -> None:
        self.got: dict[str, list[Any]] = {CHAT: [], ORDERS: []}
        self.answers: list[Frame] = []
        self._since: dict[str, str] = {}
        super().__init__(test, name)

    def begin(self, wire: Wire) -> None:
        wire.positions = True
        for topic in (CHAT, ORDERS):
            wire.tell({"type": "subscribe", "topic": topic, "since": self._since.get(topic)})

    def receive(self, frame: Frame) -> None:
        topic = frame["topic"]
        if frame["type"] in ("db_change", "event"):
            self.got[topic].append(frame["data"])
        elif frame["type"] == "subscribed" and topic in self._since:
            self.answers.append(frame)
        self._since[topic] = frame["pos"]

    @property
    def ready(self) -> bool:
        """Return whether it has been connected once."""
        return len(self._since) == 2


class CrashTests(ProgramTests):
    """
    C{SIGKILL} while clients publish, a program writes, and other clients subscribe.
    """

    async def come(self, name: str) -> Wire:
        """
        Connect under a name.
        """
        wire = await self.wire()
        protocols = f"aerostack-key.{PUBLIC_KEY}, aerostack-v1"
        path = f"/api/realtime?projectId=p&userId={name}"
        await wire.upgrade(path, {"Sec-WebSocket-Protocol": protocols})
        return wire

    async def test_killed(self) -> None:
        """
        Every acknowledged message is in the history once, although clients sent it repeatedly.  A
        client that resumes gets each message and each table change once and in order.
        """
        daemon = await self.serve(self.configure(more="anonymous = true"))
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        watchers = [Tap(self, f"w{n}") for n in range(3)]
        publishers = [Publisher(self, f"p{n}") for n in range(2)]
        people = [*watchers, *publishers]
        await self.until(lambda: all(watcher.ready for watcher in watchers))
        rows = 0

        async def work(enough: Any) -> None:
            nonlocal rows
            while not enough():
                assert not any(person.ended.called for person in people), "somebody gave up"
                rows += 1
                self.execute(f"INSERT INTO orders VALUES ({rows})")
                for publisher in publishers:
                    if publisher.waiting < 50:
                        publisher.publish()
                await self.sleep(0.005)

        for _ in range(KILLS):
            # Long enough for all of them to start.
            acknowledged = [len(publisher.acknowledged) for publisher in publishers]
            seen = [len(watcher.got[ORDERS]) for watcher in watchers]

            def under_way(acknowledged: Any = acknowledged, seen: Any = seen) -> bool:
                return all(
                    len(publisher.acknowledged) > before + 30
                    for publisher, before in zip(publishers, acknowledged, strict=True)
                ) and all(
                    len(watcher.got[ORDERS]) > before + 20
                    for watcher, before in zip(watchers, seen, strict=True)
                )

            await work(under_way)
            daemon.signal("KILL")
            await daemon.ended
            # The program goes on writing while the daemon is dead.
            until = rows + 20
            await work(lambda until=until: rows >= until)
            daemon = await self.serve()

        await self.until(lambda: not any(publisher.waiting for publisher in publishers))
        kept = [
            json.loads(data)
            for (data,) in self.execute("SELECT data FROM realtime_messages ORDER BY created_at")
        ]
        for n, publisher in enumerate(publishers):
            mine = [number for name, number in kept if name == f"p{n}"]
            self.assertEqual(sorted(mine), sorted(publisher.acknowledged))
        for watcher in watchers:
            await self.until(
                lambda watcher=watcher: (
                    len(watcher.got[ORDERS]) >= rows and len(watcher.got[CHAT]) >= len(kept)
                )
            )
        for person in people:
            await person.leave()
        for watcher in watchers:
            self.assertEqual(watcher.got[ORDERS], [{"id": number} for number in range(1, rows + 1)])
            self.assertEqual(watcher.got[CHAT], kept)
            self.assertEqual(len(watcher.answers), 2 * KILLS)
            for answer in watcher.answers:
                self.assertTrue(answer["recovered"], answer)
