"""
A client that resumes gets a gap for everything that is lost: what was forgotten, what a changed
clock hid, and what happened while its project was not served.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.log import Depth
from aerostack.core.rows.changes import INSERT, Change
from aerostack.core.topics.patterns import Patterns
from aerostack.core.topics.policies import NEWEST, TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.recovery import pacing, replay
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.tables import TableConfig
from aerostack.testing import MemoryClient, World
from tests.answers import outcomes
from tests.stories.readers import ReaderCase

ROOM = Topic("chat/a", "p")
AGE = 300.0


class GapCase(SynchronousTestCase):
    """
    A world in which a topic's log has two entries in memory, for five minutes.
    """

    depth = 2

    def setUp(self) -> None:
        self.patch(replay, "PAGE", 2)
        self.patch(replay, "AT_ONCE", 700)
        self.patch(pacing, "CHUNK", 1)
        self.world = World(rules=TopicPolicies([], TopicPolicy(Depth(self.depth, 1_000_000, AGE))))

    def subscribe(self, since: str | None = None, topic: str = "chat/a") -> MemoryClient:
        """
        Subscribe with a new client.
        """
        client = self.world.connect(userId="ann")
        client.positions = True
        client.send(type="subscribe", topic=topic, since=since)
        return client

    def since(self, client: MemoryClient) -> str:
        """
        Give the last position that a client got, and drop the client.
        """
        positions = [frame["pos"] for frame in client.take() if "pos" in frame]
        client.die()
        return str(positions[-1])

    def keep(self, *data: int) -> None:
        """
        Publish messages that are kept.
        """
        for each in data:
            self.world.hub.publisher.publish(ROOM, "e", b"%d" % each, None, True)
            self.world.turn()

    def sweep(self, seconds: float) -> None:
        """
        Let time pass, and let the daemon forget what is too old.
        """
        self.world.clock.advance(seconds)
        for _ in self.world.hub.sequencer.expire():
            pass

    def brief(self, client: MemoryClient) -> list[Any]:
        """
        What has come: data, and for an answer whether all was recovered, or why not.
        """
        found: list[Any] = []
        for frame in client.take():
            if frame["type"] == "subscribed":
                found.append(frame.get("gap", {}).get("reason") or frame.get("recovered"))
            else:
                found.append(frame.get("code", frame.get("data", frame["type"])))
        return found


class ForgottenTests(GapCase):
    """
    Kept messages that are forgotten.
    """

    def test_betweenPages(self) -> None:
        """
        Messages that are forgotten between two pages end the subscription.  When the client
        subscribes again, it gets a gap.
        """
        since = self.since(self.subscribe())
        self.keep(*range(10))
        self.world.history.reading = reading = []
        client = self.subscribe(since)
        for _ in range(2):
            reading.pop(0)()
            self.world.turn()
        self.world.history.forget(self.world.history.messages[5].createdAt)
        reading.pop(0)()
        self.world.history.reading = None
        frames = client.take()
        self.assertEqual([frame.get("data") for frame in frames[1:3]], [0, 1])
        self.assertEqual(
            [frame.get("code", frame["type"]) for frame in frames[3:]],
            ["history_expired", "unsubscribed"],
        )
        self.assertEqual(frames[3]["retryAfter"], 1000)
        self.assertEqual(self.brief(self.subscribe(frames[2]["pos"])), ["expired"])

    def test_beforeFirstPage(self) -> None:
        """
        Messages that are forgotten between the survey and the first page end the subscription, too.
        """
        since = self.since(self.subscribe())
        self.keep(*range(10))
        self.world.history.reading = reading = []
        client = self.subscribe(since)
        reading.pop(0)()
        self.world.turn()
        self.world.history.forget(self.world.history.messages[5].createdAt)
        reading.pop(0)()
        self.assertEqual(self.brief(client), [True, "history_expired", "unsubscribed"])


class ClockTests(GapCase):
    """
    The time of day is set.
    """

    def test_ahead(self) -> None:
        """
        After the clock was set back, a new log begins behind the messages that are already kept, so
        that no message comes twice or is missing.
        """
        first = self.subscribe()
        self.world.stepped = 3600
        self.keep(1, 2)
        since = self.since(first)
        self.world.stepped = 0
        self.sweep(AGE + 1)
        self.sweep(AGE + 1)
        self.assertIsNone(self.world.hub.logs.get(ROOM.canonical))
        second = self.subscribe()
        (answer,) = second.take()
        self.keep(3, 4, 5, 6)
        self.assertEqual(self.brief(second), [3, 4, 5, 6])
        for position in (since, answer["pos"]):
            self.assertEqual(self.brief(self.subscribe(position)), [True, 3, 4, 5, 6])

    def test_back(self) -> None:
        """
        A client with a position from before the clock was set back gets everything that was kept
        since.
        """
        since = self.since(self.subscribe())
        self.world.stepped = -3600
        self.sweep(AGE + 1)
        self.sweep(AGE + 1)
        self.keep(1, 2, 3)
        self.assertEqual(self.brief(self.subscribe(since)), [True, 1, 2, 3])

    def test_backAfterRestart(self) -> None:
        """
        A client with a position from before a restart gets everything that was kept since, if the
        clock is set back after the restart.
        """
        self.subscribe().die()
        self.keep(0)
        for _ in range(2):
            self.sweep(AGE + 1)
        since = self.since(self.subscribe())
        self.world.restart()
        self.world.stepped = -3600
        self.keep(1, 2, 3)
        self.world.stepped = 3600
        for _ in range(2):
            self.sweep(AGE + 1)
        self.subscribe()
        self.assertEqual(self.brief(self.subscribe(since)), [True, 1, 2, 3])


class QuietTests(GapCase):
    """
    A topic without publications for a long time.
    """

    def test_quiet(self) -> None:
        """
        If the last subscriber of a quiet topic loses its connection and comes back in time, it gets
        what came meanwhile.
        """
        first = self.subscribe()
        for _ in range(5):
            self.sweep(AGE)
        since = self.since(first)
        self.sweep(1)
        self.world.hub.publisher.publish(ROOM, "e", b"1", None, False)
        self.sweep(1)
        self.assertEqual(self.brief(self.subscribe(since)), [True, 1])

    def test_gone(self) -> None:
        """
        A client that comes back too late learns that only kept messages follow.
        """
        first = self.subscribe()
        self.keep(0)
        since = self.since(first)
        self.sweep(AGE + 1)
        self.world.hub.publisher.publish(ROOM, "e", b"1", None, False)
        client = self.subscribe(since)
        (answer,) = client.take()
        self.assertTrue(answer["keptOnly"])


class KeptOnlyTests(GapCase):
    """
    Only kept messages of an earlier run are still there.
    """

    def test_cutOff(self) -> None:
        """
        A client that is cut off while it gets kept messages learns again, when it comes back, that
        only kept messages follow.
        """
        since = self.since(self.subscribe())
        self.keep(*range(6))
        self.world.restart()
        self.world.history.reading = reading = []
        client = self.subscribe(since)
        for _ in range(2):
            reading.pop(0)()
            self.world.turn()
        self.world.history.reading = None
        answer, *frames = client.take()
        self.assertTrue(answer["keptOnly"])
        self.assertEqual([frame["data"] for frame in frames], [0, 1])
        client.die()
        answer, *frames = self.subscribe(frames[-1]["pos"]).take()
        self.assertEqual((answer["recovered"], answer.get("keptOnly")), (True, True))
        self.assertEqual([frame["data"] for frame in frames], [2, 3, 4, 5])


class SparingTests(SynchronousTestCase):
    """
    Topics of which a slow client gets only the newest publications.
    """

    def test_cameBack(self) -> None:
        """
        A slow client is not closed while it gets what it missed.
        """
        world = World(
            limits=LimitsConfig(outboxBytes=2000),
            rules=TopicPolicies([], TopicPolicy(Depth(0, 1_000_000, AGE), NEWEST)),
        )
        first = world.connect()
        first.positions = True
        (answer,) = first.ask(type="subscribe", topic="chat/a")
        first.die()
        world.hub.publisher.publish(ROOM, "e", b"0", None, True)
        world.history.reading = reading = []
        client = world.connect()
        client.send(type="subscribe", topic="chat/a", since=answer["pos"])
        for number in range(1, 100):
            world.hub.publisher.publish(ROOM, "e", b"%d" % number, None, False)
            world.turn()
        self.assertIsNone(client.connection.closing)
        while reading:
            reading.pop(0)()
            world.turn()
        frames = client.take()
        self.assertEqual([frame.get("data") for frame in frames[1:]], [0, 99])


class AbsentTests(SynchronousTestCase):
    """
    A project that is taken out of the configuration and put back.
    """

    def test_backAgain(self) -> None:
        """
        A client that comes back gets a table's changes of that time from the journal, and a gap for
        what was only in memory.
        """
        world = World()
        first = world.connect()
        first.positions = True
        (answer,) = first.ask(type="subscribe", topic="orders")
        (room,) = first.ask(type="subscribe", topic="chat/a")
        first.die()
        projects = world.feeds.projects
        for _ in world.hub.sequencer.leaveProjects({"p"}):
            pass
        world.feeds.projects = {}
        world.tracker.change(Change(1, "orders", INSERT, {"id": 1}, None, 7))
        world.feeds.projects = projects
        again = world.connect()
        again.positions = True
        answer, change = again.ask(type="subscribe", topic="orders", since=answer["pos"])
        self.assertEqual((answer["recovered"], change["data"]), (True, {"id": 1}))
        (answer,) = again.ask(type="subscribe", topic="chat/a", since=room["pos"])
        self.assertEqual(answer["gap"], {"reason": "unknown"})


class NarrowedTests(ReaderCase):
    """
    C{tracker.tables} allows less than before.
    """

    def test_ends(self) -> None:
        """
        The subscriptions to a table that is no longer allowed end with an error and an answer, and
        the client gets no more of the table.
        """
        self.reload(TableConfig(("token",), (), None))
        client = self.connect("ann")
        client.ask(type="subscribe", topic="orders")
        self.world.feeds.allowed = Patterns(["invoices"])
        client.session.reauthorize()
        self.assertEqual(outcomes(client.take()), ["table_not_allowed", "unsubscribed"])
        self.assertEqual(self.world.tracker.watched, {})
        self.world.tracker.change(Change(1, "orders", INSERT, {"id": 1}, None, 7))
        self.assertEqual(client.take(), [])
        self.assertEqual(
            len(self.world.hub.registry.subscribers(tableTopic("orders", "p").canonical)), 0
        )
