"""
Tests for L{aerostack.recovery.interruptions}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin.taps import Tap, Taps
from aerostack.auth.authenticator import Credentials
from aerostack.core.replay.shared import LOST
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.recovery.interruptions import GRACE, Interruptions
from aerostack.testing import SECRET_KEY, MemoryClient, World

ROOM = Topic("chat/a", "p")
ORDERS = tableTopic("orders", "p")


class MemoryReader:
    """
    An operator that reads a tap.
    """

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def write(self, line: bytes) -> None:
        self.lines.append(json.loads(line))

    def finish(self) -> None:
        pass


class InterruptionsCase(SynchronousTestCase):
    """
    A world whose topics come from an engine that has trouble.
    """

    def setUp(self) -> None:
        self.world = World()
        self.interruptions = Interruptions(self.world.clock, self.world.hub, self.world.recovery)
        self.addCleanup(self.interruptions.stop)
        self.taps = Taps(self.world.clock, self.world.hub, self.world.feeds)

    def subscribe(self, topic: Topic) -> tuple[MemoryClient, list[Any]]:
        """
        Connect a client and subscribe it.

        @return: The client, and what came.
        """
        client = self.world.connect()
        return client, client.ask(type="subscribe", topic=topic.canonical)

    def watch(self, topic: Topic) -> MemoryReader:
        """
        Let an operator watch a topic.
        """
        reader = MemoryReader()
        identity = self.world.authenticator.identify(Credentials(key=SECRET_KEY), 0)
        opened: Deferred[None] = self.taps.open(Tap(identity, topic, reader))
        self.successResultOf(opened)
        return reader


class StatusTests(InterruptionsCase):
    """
    What comes while the engine does not answer.
    """

    def test_told(self) -> None:
        """
        Subscribers and operators get a status after a while, and another one at the end; those of
        tables get none.
        """
        client, _ = self.subscribe(ROOM)
        onlooker, _ = self.subscribe(ORDERS)
        reader = self.watch(ROOM)
        since = self.world.hub.now()
        self.interruptions.down()
        self.assertEqual(client.take(), [])
        self.world.advance(GRACE)
        self.interruptions.down()
        (down,) = client.take()
        self.assertEqual((down["feed"], down["since"]), ("down", since))
        self.interruptions.up()
        (up,) = client.take()
        self.assertEqual((up["feed"], "since" in up), ("up", False))
        self.assertEqual(onlooker.take(), [])
        self.assertEqual(reader.lines[1:], [down, up])

    def test_short(self) -> None:
        """
        An outage that is over soon is not told.
        """
        client, _ = self.subscribe(ROOM)
        self.interruptions.down()
        self.world.advance(GRACE / 2)
        self.interruptions.up()
        self.world.advance(GRACE)
        self.assertEqual(client.take(), [])

    def test_stopped(self) -> None:
        """
        A daemon that stops tells its clients nothing of the engine, which stops after them.
        """
        self.subscribe(ROOM)
        self.interruptions.stop()
        self.interruptions.down()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_joined(self) -> None:
        """
        Whoever joins an attached topic during the outage gets the status right behind the answer.
        """
        client, _ = self.subscribe(ROOM)
        self.interruptions.down()
        self.world.advance(GRACE)
        (down,) = client.take()
        _, frames = self.subscribe(ROOM)
        self.assertEqual(frames[0]["type"], "subscribed")
        self.assertEqual([frame for frame in frames if frame["type"] == "status"], [down])
        self.assertEqual(self.watch(ROOM).lines[1:], [down])
        _, frames = self.subscribe(ORDERS)
        self.assertNotIn("status", [frame["type"] for frame in frames])
        self.interruptions.up()
        self.world.turn()
        _, frames = self.subscribe(ROOM)
        self.assertNotIn("status", [frame["type"] for frame in frames])


class BrokenTests(InterruptionsCase):
    """
    What comes when the engine has lost entries.
    """

    def test_tap(self) -> None:
        """
        An operator who watches the topic sees that entries are missing, in their place.
        """
        reader = self.watch(ROOM)
        sdk = self.world.sdk()
        sdk.socket.emit("e", 1, ROOM.canonical)
        self.world.turn()
        self.interruptions.broken(ROOM.canonical, None, LOST)
        sdk.socket.emit("e", 2, ROOM.canonical)
        self.world.turn()
        _, before, gap, after = reader.lines
        self.assertEqual((before["data"], after["data"]), (1, 2))
        self.assertEqual(
            (gap["type"], gap["recovered"], gap["gap"]), ("subscribed", False, {"reason": LOST})
        )

    def test_meanwhile(self) -> None:
        """
        What is published between the loss and the answer comes behind the answer, once and in
        order, and so does the status.
        """
        client, _ = self.subscribe(ROOM)
        sdk = self.world.sdk()
        sdk.socket.emit("e", 1, ROOM.canonical)
        self.interruptions.down()
        self.world.advance(GRACE)
        client.take()
        log = self.world.hub.sequencer.openLog(ROOM.canonical)
        self.interruptions.broken(ROOM.canonical, log.position, LOST)
        for number in (2, 3):
            self.world.backbone.publisher.publish(ROOM, "e", b"%d" % number, None, False)
        self.interruptions.up()
        frames = client.take()
        sdk.socket.emit("e", 4, ROOM.canonical)
        frames += client.take()
        self.assertEqual(frames[0]["type"], "subscribed")
        self.assertEqual([f["data"] for f in frames if "data" in f], [2, 3, 4])
        self.assertEqual([f["feed"] for f in frames if "feed" in f], ["up"])

    def test_behind(self) -> None:
        """
        A subscriber whose place is not known begins anew where the log stood at the loss, and gets
        what was published since then once.
        """
        client, _ = self.subscribe(ROOM)
        client.positions = True
        head = self.world.hub.sequencer.openLog(ROOM.canonical).position
        self.interruptions.broken(ROOM.canonical, None, LOST)
        for number in (2, 3):
            self.world.backbone.publisher.publish(ROOM, "e", b"%d" % number, None, False)
        frames = client.take()
        self.world.backbone.publisher.publish(ROOM, "e", b"4", None, False)
        frames += client.take()
        self.assertEqual(
            (frames[0]["pos"], frames[0]["gap"]), (str(head), {"reason": LOST}), frames[0]
        )
        self.assertEqual([f["data"] for f in frames if "data" in f], [2, 3, 4])

    def test_table(self) -> None:
        """
        Subscribers of a table learn that events may be missing, and go on with its changes.
        """
        client, _ = self.subscribe(ORDERS)
        reader = self.watch(ORDERS)
        self.interruptions.broken(ORDERS.canonical, None, LOST)
        (lost,) = client.take()
        self.assertEqual(
            (lost["type"], lost["topic"], lost["events"]), ("status", ORDERS.canonical, "lost")
        )
        self.assertEqual(reader.lines[1:], [lost])
