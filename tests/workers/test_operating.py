"""
Tests for what an operator asks of a daemon with a hub and two workers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.admin import gathering
from aerostack.admin.diagnosis import Diagnosis
from aerostack.admin.directory import Directory
from aerostack.admin.gathering import Gathering
from aerostack.admin.refusals import Refusals
from aerostack.admin.sampler import Sampler
from aerostack.admin.taps import Taps
from aerostack.core.diagnosis.samples import Counts
from aerostack.core.topics.topics import Topic, tableTopic
from aerostack.engine.alone import AloneNodes
from aerostack.errors import RealtimeError
from aerostack.server.hubwork import HubWork
from aerostack.sessions.session import Session
from aerostack.testing import MemoryClient, World
from aerostack.testing.pipes import joinedPipes
from aerostack.workers.channel import Channel
from aerostack.workers.frames import Codec
from aerostack.workers.hub import operating
from aerostack.workers.hub.operating import WorkerAnswers
from aerostack.workers.messages.operating import KINDS
from aerostack.workers.worker.operating import RemoteProcesses
from aerostack.workers.worker.refusals import RemoteRefusals

CHAT, ORDERS = Topic("chat/a", "p"), tableTopic("orders", "p")


class HubEnd:
    """
    The hub's end of the channel to a worker.
    """

    def __init__(self, answers: WorkerAnswers) -> None:
        self.answers = answers
        self.channel: Any = None

    def received(self, message: Any) -> None:
        raise AssertionError(message)

    def asked(self, question: Any) -> Any:
        return self.answers.handlers[type(question)](self.channel, question)

    def lost(self, reason: Failure) -> None:
        self.answers.lost(self.channel)


class Served:
    """
    A worker with clients of its own.
    """

    def __init__(self, clock: Clock, answers: WorkerAnswers, name: str, first: int) -> None:
        self.world = world = World()
        # No two processes give the same id to connections.
        world._serial = iter(range(first, first + 100))
        self.sessions: list[Session] = []
        near, far = joinedPipes(clock)
        codec = Codec(KINDS)
        end = HubEnd(answers)
        end.channel = Channel(clock, near, codec, end)
        self.channel = Channel(clock, far, codec, self)
        self.processes = RemoteProcesses(self.channel)
        taps = Taps(world.clock, world.hub, world.feeds)
        directory = Directory(world.clock, world.hub, world.feeds, taps, self.all)
        sampler = Sampler(
            world.clock,
            world.wall,
            lambda: Counts(len(self.sessions), 0, 9, 9, 1),
            world.feeds.latencies,
            world.hub.publisher.latencies,
        )
        sampler.startService()
        diagnosis = Diagnosis(world.hub, world.feeds, world.traces, self.all, directory)
        refusals = RemoteRefusals(clock, self.channel)
        self.gathering = Gathering(
            self.processes, directory, diagnosis, sampler, refusals, world.wall
        )
        self.hangs = False
        end.channel.start()
        self.channel.start()
        answers.joined(end.channel, name)

    def all(self) -> tuple[Session, ...]:
        """Give all sessions."""
        return tuple(self.sessions)

    def connect(self, userId: str, *topics: str) -> MemoryClient:
        """
        Let a client in that subscribes to topics.
        """
        client = self.world.connect(userId=userId)
        for each in topics:
            client.ask(type="subscribe", topic=each)
        session = client.session
        self.sessions.append(session)
        return client

    # Receiver

    def received(self, message: Any) -> None:
        raise AssertionError(message)

    def asked(self, question: Any) -> Any:
        if self.hangs:
            return Deferred()
        return self.processes.handlers[type(question)](question)

    def lost(self, reason: Failure) -> None:
        """The worker ends."""


class OperatingTests(SynchronousTestCase):
    """
    Tests for L{WorkerAnswers} and L{RemoteProcesses}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.published = 0
        # The hub's logs and members, and the topics that workers have attached.
        self.hub = World().hub
        self.attached: dict[str, None] = {}
        self.refusals = Refusals(self.clock)
        work = HubWork(
            self.clock,
            lambda: 1_000_000_000 + self.clock.seconds(),
            lambda: self.published,
            lambda: 0,
            self.attached,
            self.hub.sequencer.logs,
            self.hub.presence.rosters,
            self.hub.sequencer.answers,
            self.refusals,
        )
        work.start()
        self.addCleanup(work.stop)
        self.answers = WorkerAnswers(self.clock, ("w1", "w2"), work.answer, AloneNodes("n"))
        self.first = Served(self.clock, self.answers, "w1", 100)
        self.second = Served(self.clock, self.answers, "w2", 200)

    def advance(self, seconds: float) -> None:
        """
        Let time pass everywhere.
        """
        self.clock.advance(seconds)
        for each in (self.first, self.second):
            each.world.clock.advance(seconds)

    def answer(self, asked: Deferred[Any]) -> Any:
        """
        Wait for an answer.
        """
        for _ in range(20):
            self.advance(0)
        return self.successResultOf(asked)

    def test_topics(self) -> None:
        """
        A worker lists the topics of both, with the subscribers of both.
        """
        self.first.connect("ann", "chat/a", "chat/b")
        self.second.connect("ben", "chat/a", "chat/c")
        found = self.answer(self.second.gathering.topics("p", "", 100, ""))
        self.assertEqual(
            [(each["topic"], each["subscribers"]) for each in found["topics"]],
            [("chat/a/p", 2), ("chat/b/p", 1), ("chat/c/p", 1)],
        )
        self.assertEqual((found["total"], found["more"]), (3, False))
        self.assertNotIn("missing", found)

    def test_unattached(self) -> None:
        """
        A topic that has only a log or a member at the hub is listed and shown, and the total counts
        it.
        """
        self.first.connect("ann", "chat/b")
        self.attached["chat/b/p"] = None
        self.hub.sequencer.openLog("chat/a/p")
        self.hub.presence.rosters.track("chat/c/p", "c9", "cid", b"{}", 0)
        found = self.answer(self.second.gathering.topics("p", "", 2, ""))
        self.assertEqual(
            [(each["topic"], each["subscribers"], each["published"]) for each in found["topics"]],
            [("chat/a/p", 0, 0), ("chat/b/p", 1, 0)],
        )
        self.assertEqual((found["total"], found["more"]), (3, True))
        self.assertNotIn("atLeast", found)
        shown = self.answer(self.second.gathering.topic(Topic("chat/c", "p")))
        self.assertEqual([each["userId"] for each in shown["members"]], ["cid"])

    def test_hubBusy(self) -> None:
        """
        A hub that does not list its topics in time is named; the topics of the workers are there.
        """
        self.first.connect("ann", "chat/a")
        self.answers._answer = lambda question: Deferred()
        asked = self.first.gathering.topics("p", "", 100, "")
        for _ in range(9):
            self.advance(0)
        self.advance(gathering.PATIENCE)
        found = self.answer(asked)
        self.assertEqual([each["topic"] for each in found["topics"]], ["chat/a/p"])
        self.assertEqual(found["missing"], ["hub"])

    def test_topic(self) -> None:
        """
        A worker shows the subscriptions of both to a topic.
        """
        self.first.connect("ann", "chat/a")
        self.second.connect("ben", "chat/a")
        found = self.answer(self.first.gathering.topic(CHAT))
        self.assertEqual([each["userId"] for each in found["subscriptions"]], ["ann", "ben"])
        self.assertEqual(found["subscribers"], 2)

    def test_connections(self) -> None:
        """
        A worker lists the connections of both.
        """
        self.first.connect("ann", "chat/a")
        self.second.connect("ben", "chat/a")
        self.second.connect("cid")
        found = self.answer(self.first.gathering.connections("p", None, CHAT, 100, ""))
        self.assertEqual({each["userId"] for each in found["connections"]}, {"ann", "ben"})
        self.assertEqual((found["total"], found["more"]), (2, False))

    def test_explain(self) -> None:
        """
        A worker explains why something did not reach a user whose connection is at another.
        """
        self.second.connect("ann", "chat/b")
        found = self.answer(self.first.gathering.explain("ann", CHAT))
        (connection,) = found["connections"]
        self.assertEqual(connection["state"], "none")
        self.assertEqual(found["findings"][0].code, "not_subscribed")

    def test_explainTable(self) -> None:
        """
        A filter of a subscription at another worker is shown.
        """
        ann = self.second.connect("ann")
        ann.ask(type="subscribe", topic="orders", filter={"id": {"gt": 5}}, columns=["id"])
        found = self.answer(self.first.gathering.explain("ann", ORDERS))
        (connection,) = found["connections"]
        self.assertEqual(connection["filter"], {"id": {"gt": 5}})
        self.assertEqual(found["feed"]["tables"], ["orders"])

    def test_work(self) -> None:
        """
        A worker adds up the samples of both, and takes from the hub how much was published.
        """
        self.first.connect("ann")
        self.second.connect("ben")
        self.published = 3
        for _ in range(8):
            self.advance(0.125)
        found = self.answer(self.first.gathering.work("p", 0))
        (sample,) = found["samples"]
        self.assertEqual((sample["connections"], sample["publications"]), (2, 3.0))
        self.assertEqual(found["feed"]["up"], True)

    def test_hanging(self) -> None:
        """
        A worker that does not answer within a second is named.
        """
        self.first.connect("ann")
        self.second.connect("ben")
        self.second.hangs = True
        asked = self.first.gathering.connections("p", None, None, 100, "")
        for _ in range(9):
            self.advance(0)
        self.assertNoResult(asked)
        self.advance(gathering.PATIENCE)
        found = self.answer(asked)
        self.assertEqual((found["total"], found["missing"]), (1, ["w2"]))

    def test_gone(self) -> None:
        """
        A worker that has died is named at once, until another one has taken its place.
        """
        self.second.channel.close()
        self.advance(0)
        self.advance(0)
        found = self.answer(self.first.gathering.connections("p", None, None, 100, ""))
        self.assertEqual(found["missing"], ["w2"])
        self.second = Served(self.clock, self.answers, "w2", 300)
        found = self.answer(self.first.gathering.connections("p", None, None, 100, ""))
        self.assertNotIn("missing", found)

    def test_dying(self) -> None:
        """
        A worker that dies while it is asked is named.
        """
        self.second.hangs = True
        asked = self.first.gathering.connections("p", None, None, 100, "")
        for _ in range(9):
            self.advance(0)
        self.second.channel.close()
        self.assertEqual(self.answer(asked)["missing"], ["w2"])

    def test_failing(self) -> None:
        """
        A worker that fails is named, and its log has the reason.
        """
        self.second.processes.start(lambda question: 1 // 0)
        found = self.answer(self.first.gathering.topics("p", "", 100, ""))
        self.assertEqual(found["missing"], ["w2"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_large(self) -> None:
        """
        A page that is larger than a process may send is cut, and the next page goes on there.
        """
        self.patch(operating, "LARGEST", 600)
        names = [f"chat/{n}/p" for n in range(8)]
        self.first.connect("ann", *(name[:-2] for name in names[:4]))
        self.second.connect("ben", *(name[:-2] for name in names[4:]))
        found: list[str] = []
        more = True
        while more:
            after = found[-1] if found else ""
            page = self.answer(self.first.gathering.topics("p", "", 100, after))
            found += [each["topic"] for each in page["topics"]]
            more = page["more"]
        self.assertEqual(found, names)

    def test_many(self) -> None:
        """
        Only so many questions are asked at a time.
        """
        self.second.hangs = True
        asked = [self.first.gathering.topics("p", "", 100, "") for _ in range(operating.MOST + 1)]
        for _ in range(9):
            self.advance(0)
        error = self.failureResultOf(asked[-1], RealtimeError).value
        self.assertEqual(error.code, "overloaded")
        self.advance(gathering.PATIENCE)
        for each in asked[:-1]:
            self.assertEqual(self.answer(each)["missing"], ["w2"])
        self.second.hangs = False
        self.assertNotIn("missing", self.answer(self.first.gathering.topics("p", "", 100, "")))

    def test_noHub(self) -> None:
        """
        A hub that does not answer is too busy.
        """
        self.answers.handlers = {kind: lambda *_: Deferred() for kind in self.answers.handlers}
        asked = self.first.gathering.topic(CHAT)
        self.advance(0)
        self.advance(9.0)
        error = self.failureResultOf(asked, RealtimeError).value
        self.assertEqual(error.code, "overloaded")

    def test_silence(self) -> None:
        """
        Where no worker has answered, the operator gets an error.
        """
        self.first.hangs = self.second.hangs = True
        asked = self.first.gathering.work("p", 0)
        for _ in range(9):
            self.advance(0)
        self.advance(gathering.PATIENCE)
        for _ in range(9):
            self.advance(0)
        error = self.failureResultOf(asked, RealtimeError).value
        self.assertEqual(error.code, "overloaded")
