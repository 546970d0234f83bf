"""
Tests for L{aerostack.recovery.recovery}: what becomes of a resume on which the client, or the
daemon, goes back.  Whether clients get everything is tested in C{tests/stories}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import tableTopic
from aerostack.delivery.catchup import Stage
from aerostack.recovery import pacing, replay
from aerostack.settings.limits import LimitsConfig
from aerostack.tables import snapshots
from aerostack.testing import MemoryClient, World

ORDERS = tableTopic("orders", "p")


class RecoveryCase(SynchronousTestCase):
    """
    A world in which ten rows were written since a client left, and two of them are in memory.
    """

    def setUp(self) -> None:
        self.patch(replay, "PAGE", 2)
        self.patch(pacing, "CHUNK", 1)
        self.patch(snapshots, "PAGE_BYTES", 40)
        self.world = World(
            limits=LimitsConfig(outboxBytes=2000),
            rules=TopicPolicies([], TopicPolicy(Depth(2, 1_000_000, 300.0))),
        )
        first = self.world.connect()
        first.positions = True
        (answer,) = first.ask(type="subscribe", topic="orders")
        first.die()
        self.since = answer["pos"]
        self.world.feeds.watch("orders")
        self.write(10)

    def write(self, count: int) -> None:
        """
        Write rows.
        """
        first = len(self.world.tracker.changes) + 1
        self.world.tracker.change(
            *(
                Change(n, "orders", INSERT, {"id": n, "side": n % 2}, None, 7)
                for n in range(first, first + count)
            )
        )
        self.world.turn()

    def back(self, **more: Any) -> MemoryClient:
        """
        Come back.
        """
        client = self.world.connect()
        client.send(type="subscribe", topic="orders", since=self.since, **more)
        return client

    def stage(self, client: MemoryClient) -> Stage | None:
        """
        How far a client is with the table's past.
        """
        catchup = client.session.catchingUp(ORDERS.canonical)
        return None if catchup is None else catchup.stage

    def ids(self, client: MemoryClient) -> list[Any]:
        """
        The ids of the rows that have come, and the types of other frames.
        """
        return [
            frame["data"]["id"] if frame["type"] == "db_change" else frame["type"]
            for frame in client.take()
        ]


class LeaveTests(RecoveryCase):
    """
    A client that leaves, subscribes anew or is gone while its past is read and sent.
    """

    def step(self) -> None:
        """
        Let a read be answered, or the reactor turn.
        """
        assert self.world.tracker.reading is not None
        if self.world.tracker.reading:
            self.world.tracker.reading.pop(0)()
        else:
            self.world.step()

    def rest(self) -> None:
        """
        Let all reads be answered.
        """
        reading, self.world.tracker.reading = self.world.tracker.reading, None
        for read in reading or ():
            read()
        self.world.turn()

    def test_leaves(self) -> None:
        """
        Wherever the client leaves, nothing comes behind the answer to that, and nothing is
        left over.
        """
        for steps in range(14):
            self.world.tracker.reading = []
            client = self.back()
            for _ in range(steps):
                self.step()
            client.take()
            client.send(type="unsubscribe", topic="orders")
            self.rest()
            self.assertEqual(self.ids(client), ["unsubscribed"], steps)
            self.assertIsNone(self.stage(client))
            client.die()
            self.world.turn()
            self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_again(self) -> None:
        """
        Wherever the client subscribes anew, it is answered once and gets all rows once.
        """
        for steps in range(14):
            self.world.tracker.reading = []
            client = self.back()
            for _ in range(steps):
                self.step()
            client.take()
            client.send(type="subscribe", topic="orders", since=self.since)
            self.rest()
            self.assertEqual(self.ids(client), ["subscribed", *range(1, 11)], steps)
            client.die()

    def test_rows(self) -> None:
        """
        The rows with which a subscription begins are let go of when the client leaves, whether
        they are being read or sent.
        """
        for steps in range(8):
            self.world.tracker.reading = []
            client = self.world.connect()
            client.send(type="subscribe", topic="orders", snapshot=True)
            for _ in range(steps):
                self.step()
            client.send(type="unsubscribe", topic="orders")
            self.rest()
            self.assertEqual(self.world.recovery.snapshots.held, 0, steps)
            client.die()


class AtOnceTests(RecoveryCase):
    """
    A client that has missed little.
    """

    def miss(self, count: int) -> None:
        """
        Let a client see everything until now, and miss some rows.
        """
        client = self.back()
        client.positions = True
        self.world.turn()
        self.since = [frame["pos"] for frame in client.take() if "pos" in frame][-1]
        client.die()
        for _ in range(count):
            self.write(1)

    def test_atOnce(self) -> None:
        """
        The client gets what it has missed right behind the answer, and then what comes live.
        """
        self.miss(2)
        client = self.back()
        self.assertIsNone(self.stage(client))
        self.assertEqual(self.ids(client), ["subscribed", 11, 12])
        self.write(1)
        self.assertEqual(self.ids(client), [13])

    def test_nothing(self) -> None:
        """
        A client that has missed nothing gets the answer alone.
        """
        self.miss(0)
        self.assertEqual(self.ids(self.back()), ["subscribed"])

    def test_filtered(self) -> None:
        """
        The client gets only the rows of its view.
        """
        self.miss(2)
        self.assertEqual(self.ids(self.back(filter={"side": 0})), ["subscribed", 12])

    def test_much(self) -> None:
        """
        A client that has missed more than that gets it at its turn, and needs no second turn.
        """
        self.miss(2)
        self.patch(replay, "AT_ONCE", 500)
        self.patch(pacing, "CHUNK", 100_000)
        client = self.back()
        self.assertIs(self.stage(client), Stage.WRITING)
        self.world.step()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
        self.assertEqual(self.ids(client), ["subscribed", 11, 12])

    def test_busy(self) -> None:
        """
        A client whose socket is full gets what it missed once the socket takes more.
        """
        self.miss(2)
        client = self.world.connect()
        client.session.congested()
        client.send(type="subscribe", topic="orders", since=self.since)
        self.assertIs(self.stage(client), Stage.WRITING)
        self.assertEqual(self.ids(client), [])
        client.session.drained()
        self.world.turn()
        self.assertEqual(self.ids(client), ["subscribed", 11, 12])

    def test_lastPage(self) -> None:
        """
        What is in memory is sent together with the last page from the database.
        """
        self.patch(pacing, "CHUNK", 100_000)
        client = self.back()
        writes: list[int] = []
        send = client.connection.send
        self.patch(client.connection, "send", lambda f: (writes.append(len(f.parts)), send(f)))
        self.world.turn()
        self.assertEqual(sum(writes), 10)
        self.assertEqual(writes[-1], 4)


class RowsTests(RecoveryCase):
    """
    Subscriptions that begin with rows.
    """

    def test_members(self) -> None:
        """
        The client hears of a member that comes while the rows are read, behind the rows.
        """
        self.world.tracker.reading = reading = []
        client = self.world.connect()
        client.send(type="subscribe", topic="orders", snapshot=True)
        other = self.world.connect()
        other.send(type="track", topic="orders", state={})
        self.world.turn()
        self.assertEqual([frame["type"] for frame in client.take()], ["subscribed"])
        while reading:
            reading.pop(0)()
            self.world.turn()
        *rows, joined = client.take()
        self.assertEqual({frame["type"] for frame in rows}, {"snapshot"})
        self.assertEqual(joined["event"], "presence:join")


class FailureTests(RecoveryCase):
    """
    A fault of the daemon's own.
    """

    def test_oneFails(self) -> None:
        """
        The client whose answer fails is closed, and the others are answered.
        """
        send = self.world.feeds.sendFeedStatus
        reading: list[Callable[[], None]] = []
        self.world.tracker.reading = reading
        clients = [self.back() for _ in range(3)]

        def broken(subscriber: Any, *args: Any) -> None:
            if subscriber is clients[0].session:
                raise ValueError("broken")
            send(subscriber, *args)

        self.patch(self.world.feeds, "sendFeedStatus", broken)
        while reading:
            reading.pop(0)()
            self.world.turn()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(clients[0].connection.closing, (1011, "the daemon failed"))
        for client in clients[1:]:
            self.assertEqual(self.ids(client), ["subscribed", *range(1, 11)])


class HoldTests(RecoveryCase):
    """
    A table that is held until it is known what the client may read.
    """

    def setUp(self) -> None:
        super().setUp()
        self.client = self.back()
        self.world.turn()
        self.client.take()
        self.held = self.world.recovery.hold(self.client.session, ORDERS)

    def release(self) -> None:
        """
        Go on with the table.
        """
        self.world.recovery.readOn(self.client.session, ORDERS.canonical, self.held)
        self.world.turn()

    def test_rows(self) -> None:
        """
        The client gets nothing meanwhile, and all rows afterwards.
        """
        self.write(20)
        self.assertEqual((self.client.take(), self.held.held), ([], 0))
        self.release()
        self.assertEqual(self.ids(self.client), list(range(11, 31)))
        self.assertIsNone(self.stage(self.client))

    def test_members(self) -> None:
        """
        More changes of who is present than may be held meanwhile cost the client nothing: it
        gets the whole set.
        """
        quiet, other = self.world.connect(), self.world.connect()
        quiet.send(type="track", topic="orders", state={"n": -1})
        for n in range(100):
            other.send(type="track", topic="orders", state={"n": n})
            self.world.turn()
        self.assertIsNone(self.client.connection.closing)
        self.release()
        shown = {
            member["connectionId"]: member["state"]["n"]
            for frame in self.client.take()
            for member in frame["data"].get("members", [frame["data"]])
        }
        self.assertEqual(shown, {quiet.connectionId: -1, other.connectionId: 99})

    def test_left(self) -> None:
        """
        Where the client has left meanwhile there is nothing to go on with.
        """
        self.client.send(type="unsubscribe", topic="orders")
        self.release()
        self.write(1)
        self.assertEqual(self.ids(self.client), ["unsubscribed"])
