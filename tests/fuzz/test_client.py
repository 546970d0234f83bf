"""
The Python client in random runs, over connections that delay, cut and drop bytes, compared with a
model.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from twisted.application.internet import backoffPolicy
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.channel import Channel
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient
from aerostack.core.rows.changes import Change
from aerostack.errors import RealtimeError
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.projects import JWTConfig
from aerostack.settings.tables import READERS, TableConfig
from aerostack.testing import PUBLIC_KEY, TOKEN_SECRET, World, makeProject
from tests import PATIENCE
from tests.fuzz import FUZZ_SECONDS, seeds
from tests.fuzz.lines import MOST, SlowWire
from tests.live.clients import makeToken

TOPICS = ("chat/a", "chat/b", "orders")
CANONICAL = {"chat/a": "chat/a/p", "chat/b": "chat/b/p", "orders": "table/orders/p"}
TABLE = "things"
EVENTS = ("INSERT", "UPDATE", "DELETE")


class Watch:
    """
    The events of one subscription of a client, from the call that begins it to the one that ends
    it.
    """

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.over = False

    def hear(self, frame: Any) -> None:
        """
        Record an event.
        """
        assert not self.over, "what was left is heard"
        self.heard.append(frame["data"])


class Rows:
    """
    The rows of a table as an application derives them.
    """

    def __init__(self, channel: Channel) -> None:
        self.rows: dict[int, Any] = {}
        self.channel = channel
        channel.on("snapshot", self._page)
        for event in EVENTS:
            channel.on(event, self._changed)
        # The error says why the table was lost, which is not checked here.
        channel.onError(lambda error: None)
        channel.onGap(lambda gap: None)
        # While the daemon is away for long, the answer is late; the client goes on asking.
        channel.subscribe(snapshot=True).addErrback(lambda failure: failure.trap(ClientError))

    def _page(self, frame: Any) -> None:
        if frame["first"]:
            self.rows.clear()
        self.rows |= {row["id"]: row for row in frame["rows"]}

    def _changed(self, frame: Any) -> None:
        row = frame["data"]
        if frame["operation"] == "DELETE":
            # Between a lost table and the new rows, a change may be of an unknown row.
            self.rows.pop(row["id"], None)
        else:
            self.rows[row["id"]] = row


class Actor:
    """
    A client, and what its application asks for.
    """

    def __init__(self, client: RealtimeClient, name: str, random: Random) -> None:
        self.client = client
        self.name = name
        self.channels: dict[str, Channel] = {topic: client.channel(topic) for topic in TOPICS}
        # So that a seed determines everything.
        client._session.connection._backOff = backoffPolicy(0.5, 30.0, jitter=random.random)
        self.watches: dict[str, list[Watch]] = {topic: [] for topic in TOPICS}
        self.states: dict[str, Any] = dict.fromkeys(TOPICS)
        self.rows = Rows(client.channel(TABLE))
        self.published: list[Deferred[None]] = []
        self.tooLarge: list[Deferred[None]] = []
        self.troubles: list[Any] = []
        client.onStatusChange(self._changed)
        for channel in self.channels.values():
            channel.onGap(self.troubles.append)
            channel.onError(self.troubles.append)

    def _changed(self, status: str) -> None:
        if status == "disconnected":
            self.troubles.append(status)

    def watch(self, topic: str) -> Watch | None:
        """
        Return the active subscription, if there is one.
        """
        watches = self.watches[topic]
        return watches[-1] if watches and not watches[-1].over else None


class Story:
    """
    One random run.
    """

    def __init__(self, test: SynchronousTestCase, seed: int) -> None:
        self.test = test
        self.random = Random(seed)
        burst = self.random.choice((1, 3, 10, 50, 1000))
        rate = self.random.choice((5.0, 20.0, 200.0))
        self.world = World(
            {"p": makeProject(jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET))},
            limits=LimitsConfig(framesPerSecond=rate, framesBurst=burst),
            access={"*": TableConfig(read=READERS)},
            tables=("orders", TABLE),
        )
        test.patch(
            self.world,
            "openTransport",
            lambda address, user: SlowWire(self.world.entrance, address, user, self.random),
        )
        # A client that is never cut off must get all changes.
        self.truth = self.world.connect(userId="truth")
        for topic in (*TOPICS, TABLE):
            self.truth.send(type="subscribe", topic=topic)
            self.world.advance(1)
        self.count = 0
        # The rows of the watched table with a snapshot, by id.
        self.rows: dict[int, Any] = {}
        self.actors = [
            Actor(self.world.realtime(userId="ann"), "ann", self.random),
            Actor(self.world.realtime(apiKey=PUBLIC_KEY), "nameless", self.random),
            Actor(self.world.realtime(token=makeToken("bob")), "bob", self.random),
        ]

    def run(self) -> None:
        """
        Do random things, let everything settle, and compare.
        """
        for actor in self.actors:
            if self.random.random() < 0.5:
                self.act(actor)
            actor.client.startService()
        for _ in range(120):
            self.act(self.random.choice(self.actors))
            if self.random.random() < 0.4:
                self.trouble()
            if self.random.random() < 0.4:
                self.write()
            self.wait(self.random.choice((0, 0, 0.01, 0.05, 0.3, 1, 4)))
        self.world.reachable = True
        for _ in range(60):
            self.wait(4)
        self.check()
        for actor in self.actors:
            actor.client.stopService()
        self.world.advance(60)
        self.test.assertEqual(self.world.wires, [])

    def wait(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.world.advance(seconds)
        # The server answers pings.
        self.truth.session.heard()

    # Random actions

    def act(self, actor: Actor) -> None:
        """
        Let an application do something.
        """
        topic = self.random.choice(TOPICS)
        channel, watch = actor.channels[topic], actor.watch(topic)
        action = self.random.randrange(11)
        if action < 3:
            if topic == "orders":
                topic = "chat/a"
            self.count += 1
            keep = self.random.random() < 0.3
            actor.published.append(actor.channels[topic].publish("e", self.count, keep))
        elif action == 3:
            self.count += 1
            self.world.sdk().socket.emit("e", self.count, topic)
        elif action == 4 and watch is not None:
            self.leave(actor, topic)
        elif action == 5 and watch is not None:
            self.leave(actor, topic)
            self.subscribe(actor, topic)
        elif action in (4, 5, 6):
            self.subscribe(actor, topic)
        elif action == 7:
            self.count += 1
            actor.states[topic] = {"n": self.count}
            channel.track(actor.states[topic])
        elif action == 8:
            actor.states[topic] = None
            channel.untrack()
        elif action == 9:
            actor.tooLarge.append(actor.channels["chat/a"].publish("e", "x" * MOST))
        elif actor.name == "bob":
            actor.client.setToken(makeToken("bob", n=self.count))

    def subscribe(self, actor: Actor, topic: str) -> None:
        """
        Let an application subscribe, or change its subscription.
        """
        channel = actor.channels[topic]
        if actor.watch(topic) is None:
            watch = Watch()
            actor.watches[topic].append(watch)
            channel.on("e", watch.hear)
        event = self.random.sample(EVENTS, 2) if topic == "orders" else None
        # An application that unsubscribes at once gets an error.
        channel.subscribe(event=event).addErrback(lambda failure: None)

    def leave(self, actor: Actor, topic: str) -> None:
        """
        Let an application unsubscribe.
        """
        watch = actor.watch(topic)
        assert watch is not None
        watch.over = True
        actor.channels[topic].unsubscribe()

    def write(self) -> None:
        """
        Let a program write to the table, or drop it.
        """
        tracker, random = self.world.tracker, self.random
        if random.random() < 0.1:
            lost = RealtimeError("table_lost", "It was rebuilt.")
            tracker.listener.tableLost(TABLE, lost, tracker.position)
            self.wait(random.choice((0, 0, 0.5, 3)))
            tracker.listener.tableBack(TABLE)
        elif random.random() < 0.1:
            tracker.listener.tableReshaped(TABLE)
        key = random.randrange(5)
        before = self.rows.get(key)
        after = {"id": key, "status": str(self.count), "side": random.randrange(9)}
        if before is None:
            operation, data = "INSERT", after
        elif random.random() < 0.5:
            operation, data = "UPDATE", after
        else:
            operation, data = "DELETE", before
        if operation == "DELETE":
            del self.rows[key]
        else:
            self.rows[key] = after
        seq = tracker.position + 1
        tracker.change(Change(seq, TABLE, operation, data, before, 5))

    def trouble(self) -> None:
        """
        Let the network fail.
        """
        kind = self.random.randrange(8)
        wires: list[Any] = self.world.wires
        if kind == 0:
            self.world.reachable = False
        elif kind < 5:
            self.world.reachable = True
        elif wires and kind < 7:
            self.random.choice(wires).cut()
        elif wires:
            self.random.choice(wires).forsake(self.random.random() * 60)

    # What must hold in the end

    def check(self) -> None:
        """
        Compare the clients with the daemon, and with what the applications asked for.
        """
        test, presence = self.test, self.world.hub.presence.rosters
        said: dict[str, list[int]] = {canonical: [] for canonical in CANONICAL.values()}
        for frame in self.truth.connection.frames:
            if frame["type"] == "event" and frame["event"] == "e":
                said[frame["topic"]].append(frame["data"])
        for topic, canonical in CANONICAL.items():
            test.assertEqual(len(said[canonical]), len(set(said[canonical])), "said twice")
            members = {
                member.connectionId: json.loads(member.state)
                for member in presence.members(canonical)
            }
            wanted = [actor.states[topic] for actor in self.actors if actor.states[topic]]
            test.assertEqual(sorted(map(str, members.values())), sorted(map(str, wanted)))
            subscribed = [actor for actor in self.actors if actor.watch(topic) is not None]
            subscribers = self.world.hub.registry.subscribers(canonical)
            test.assertEqual(len(subscribers), len(subscribed) + 1, topic)
            for actor in self.actors:
                for watch in actor.watches[topic]:
                    self.checkHeard(said[canonical], watch)
            for actor in subscribed:
                shown = actor.channels[topic].presence.members
                test.assertEqual({m["connectionId"]: m["state"] for m in shown}, members)
        for actor in self.actors:
            test.assertEqual(actor.rows.rows, self.rows, actor.name)
            test.assertEqual((actor.client.status, actor.troubles), ("connected", []), actor.name)
            for waiting in actor.published:
                test.successResultOf(waiting)
            for waiting in actor.tooLarge:
                error = test.failureResultOf(waiting, ClientError).value
                test.assertEqual(error.code, "too_large")

    def checkHeard(self, said: list[int], watch: Watch) -> None:
        """
        Check that a subscription got every event of its time, in order and once.
        """
        heard = watch.heard
        if heard:
            begin = said.index(heard[0])
            end = begin + len(heard)
            self.test.assertEqual(heard, said[begin:end])
            if not watch.over:
                self.test.assertEqual(end, len(said), "the last is missing")


class ClientTests(SynchronousTestCase):
    """
    Tests for the client against the model.
    """

    timeout = PATIENCE + FUZZ_SECONDS

    def test_random(self) -> None:
        """
        Whatever applications do and the network does, every publication is published once and
        arrives once and in order, and the daemon has the subscriptions and presence that the
        applications asked for.
        """
        for seed in seeds(6):
            try:
                Story(self, seed).run()
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error}") from error
