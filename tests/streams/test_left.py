"""
Tests for L{aerostack.streams.adopting}: streams of other daemons that no database has.
"""

from __future__ import annotations

from typing import Any

from msgspec.msgpack import decode, encode
from twisted.internet.defer import Deferred, fail

from aerostack.core.answers.answer import DONE, Answer, Terms
from aerostack.core.answers.checkpoints import (
    AnswerRecord,
    Claim,
    StoredAnswer,
)
from aerostack.core.answers.openstream import OpenStream
from aerostack.core.replay.publications import EVENT, Message, StreamMark
from aerostack.errors import RealtimeError
from aerostack.streams.adopting import STILL, Adopter
from aerostack.streams.states import CLOSING, OVER, UNKNOWN
from tests.streams.adopting import AdoptingCase, FakeStanding
from tests.streams.nodes import FakeNodes, FakeOpenStreams
from tests.streams.watching import CANONICAL


class OrphanTests(AdoptingCase):
    """
    Tests for streams of other nodes that no database has.
    """

    def setUp(self) -> None:
        super().setUp()
        self.there = self.peer()
        self.nodes.answers = {"there": self.there}
        self.mirror("abc")

    def peer(self) -> Any:
        """
        Another node, which knows no stream.
        """
        nodes = FakeNodes()
        world = type(self.world)()
        Adopter(
            world.clock,
            "there",
            world.streams,
            world.history.answers,
            nodes,
            FakeOpenStreams("there"),
            FakeStanding(),
            self.read,
            lambda topic: True,
            lambda stop: None,
        )
        self.streamsThere = world.streams
        return nodes.served

    def waitStill(self) -> None:
        """
        Let the stream be still for so long that the other nodes are asked.
        """
        self.look()
        self.wait(STILL)
        self.look()
        self.early.take()

    def test_ended(self) -> None:
        """
        A stream that no node has ends, once, however many nodes notice it.
        """
        self.waitStill()
        self.assertEqual(self.early.ends["a1"]["state"], "aborted")
        self.assertEqual(self.early.ends["a1"]["reason"], "restart")
        self.assertEqual(self.early.events.count("ai:done"), 1)
        self.waitStill()
        self.assertEqual(self.early.events.count("ai:done"), 1)
        self.assertEqual(self.world.streams.answers.of(CANONICAL), ())

    def test_growing(self) -> None:
        """
        No node is asked for a stream that grows.
        """
        for number in range(5):
            self.look()
            self.wait(STILL / 2)
            mark = StreamMark("a1", "0", "text", 3 + number, "x")
            self.world.hub.delivery.deliver(self.other(mark)[0])
        self.early.take()
        self.assertEqual(self.early.ends, {})

    def test_running(self) -> None:
        """
        A stream that runs at another node goes on.
        """
        stored = AnswerRecord(
            "m", "a1", CANONICAL, "n", None, 1, "run", b'{"began":1000,"lease":99999}', "r"
        )
        self.streamsThere.handover.adopt(StoredAnswer(stored, ()))
        self.waitStill()
        self.assertEqual(self.early.ends, {})

    def test_silent(self) -> None:
        """
        Nothing ends while a node does not answer that may have the stream; a node that counts as
        silent is not waited for.
        """
        self.nodes.answers = {"there": None}
        self.waitStill()
        self.assertEqual(self.early.ends, {})
        self.standing.silent = {"there"}
        self.waitStill()
        self.assertEqual(self.early.ends["a1"]["reason"], "restart")

    def test_stored(self) -> None:
        """
        A stream that the database has is left to the node that takes it over.
        """
        self.leave("abc")
        self.waitStill()
        self.assertEqual(self.early.ends, {})

    def test_notFollowed(self) -> None:
        """
        A stream whose log does not come here any more is forgotten.
        """
        self.followed = False
        self.waitStill()
        self.assertEqual(self.early.ends, {})
        self.assertIsNone(self.world.streams.answers.get("p", "a1"))


class LeftTests(AdoptingCase):
    """
    Tests for streams that a node has left without an end, and of which only the engine knows.
    """

    def setUp(self) -> None:
        super().setUp()
        self.there = FakeNodes()
        self.streamsThere = type(self.world)().streams
        Adopter(
            self.world.clock,
            "there",
            self.streamsThere,
            self.store,
            self.there,
            FakeOpenStreams("there"),
            FakeStanding(),
            self.read,
            lambda topic: True,
            lambda stop: None,
        )
        self.nodes.answers = {"there": self.there.served}
        self.left = OpenStream(CANONICAL, "a1", 1000)
        self.register.shared["r0"] = {self.left}
        self.standing.gone = {"r0"}

    def ends(self) -> list[Any]:
        """
        The ends that the first watcher has.
        """
        self.early.take()
        return list(self.early.ends.values())

    def test_ended(self) -> None:
        """
        A stream ends although no node that is left has seen its beginning, and is forgotten.  A
        node that comes back learns that it has ended.
        """
        self.look()
        (end,) = self.ends()
        self.assertEqual((end["id"], end["state"], end["reason"]), ("a1", "aborted", "restart"))
        self.assertEqual(self.register.shared, {})
        mirrored = Answer("a1", "a1", CANONICAL, Terms(), 1000)
        self.streamsThere.answers.enter(mirrored)
        self.streamsThere.runs.add(mirrored)
        back = self.there
        back.answers = {"here": self.nodes.served}
        asked = encode([("p", "a1", 1000), ("p", "a1", 2**53)])
        states = self.successResultOf(back.ask("so", asked, 1.0))["here"]
        self.assertEqual(decode(states or b""), [OVER, UNKNOWN])

    def test_mirror(self) -> None:
        """
        Watchers that have the stream get its end at once, and once.
        """
        self.mirror("abc")
        self.look()
        self.wait(STILL)
        self.look()
        self.early.take()
        self.assertEqual(self.early.events.count("ai:done"), 1)
        self.assertEqual(self.text(), "abc")

    def test_alive(self) -> None:
        """
        The streams of a node that is there are left to it.
        """
        self.standing.gone = set()
        self.look()
        self.assertEqual((self.ends(), len(self.register.shared)), ([], 1))

    def test_succeeded(self) -> None:
        """
        If another stream of the same id goes on, here or elsewhere, that one ends by itself.  As
        long as it runs elsewhere it is not forgotten: it may run at the same node, which has come
        back, and may die again.
        """
        for streams in (self.streamsThere, self.world.streams):
            self.register.shared["r0"] = {self.left}
            answer = Answer("a1", "a1", CANONICAL, Terms(), 2000)
            streams.runs.begin(answer)
            self.look()
            self.assertEqual(self.ends(), [])
            self.assertEqual("r0" in self.register.shared, streams is self.streamsThere)
            streams.handover.letGo(answer)
            streams.answers.forget(answer)
        self.register.shared["r0"] = {self.left}
        self.look()
        self.assertEqual((len(self.ends()), self.register.shared.get("r0")), (1, None))

    def test_closing(self) -> None:
        """
        From the moment at which nodes are asked for a stream until its end has come, none of its id
        begins at a node that knows nothing of it.
        """
        nodes, streams = FakeNodes(), type(self.world)().streams
        there = Adopter(
            self.world.clock,
            "third",
            streams,
            self.store,
            nodes,
            FakeOpenStreams("third"),
            FakeStanding(),
            self.read,
            lambda topic: True,
            lambda stop: None,
        )
        self.nodes.answers = {"third": nodes.served}
        asked: Deferred[Any] = Deferred()
        self.patch(self.store, "runOf", lambda project, name: asked)
        self.adopter.look()
        self.assertEqual(self.ends(), [])
        for adopter in (self.adopter, there):
            self.assertTrue(adopter.isClosing("p", "a1"))
            self.assertFalse(adopter.isClosing("p", "a2"))
            self.assertFalse(adopter.isClosing("q", "a1"))
        asked.callback(None)
        self.wait(1)
        self.assertEqual(len(self.ends()), 1)
        self.wait(CLOSING)
        self.assertFalse(there.isClosing("p", "a1"))

    def test_outlived(self) -> None:
        """
        If another stream of the same id has begun and ended since, watchers have its end.
        """
        self.start("a1", producer="run")
        self.end()
        self.assertEqual(len(self.ends()), 1)
        self.look()
        self.wait(1)
        self.early.take()
        self.assertEqual(self.early.events.count("ai:done"), 1)
        self.assertNotIn("r0", self.register.shared)

    def test_stored(self) -> None:
        """
        A stream that the database has ends where it was taken over.
        """
        self.leave("abc")
        self.standing.gone = {"r0"}
        self.successResultOf(self.store.take(Claim("other", "r9")))
        self.look()
        self.assertEqual((self.ends(), self.register.shared), ([], {}))

    def test_kept(self) -> None:
        """
        A stream whose end the history has is not ended another time.
        """
        end = StreamMark("a1", state=DONE)
        message = Message(
            "m1",
            CANONICAL,
            EVENT,
            "ai:done",
            b"{}",
            None,
            int(self.world.wall() * 1000),
            stream=end,
        )
        self.successResultOf(self.world.history.append(message))
        self.look()
        self.assertEqual((self.ends(), self.register.shared), ([], {}))

    def test_silent(self) -> None:
        """
        Nothing ends while a node does not answer that may have it, or the database does not.
        """
        self.nodes.answers["silent"] = None
        self.look()
        self.assertEqual((self.ends(), len(self.register.shared)), ([], 1))
        del self.nodes.answers["silent"]
        self.store.isDown = True
        self.look()
        self.assertEqual((self.ends(), len(self.register.shared)), ([], 1))
        self.store.isDown = False
        self.look()
        self.assertEqual((len(self.ends()), self.register.shared), (1, {}))

    def test_engineDown(self) -> None:
        """
        An end that the engine does not take is published at a later look.
        """
        down = fail(RealtimeError("engine_unavailable", "It is down.", 1000))
        abandon = self.world.streams.handover.abandon
        self.world.streams.handover.abandon = lambda answer: down  # type: ignore[method-assign]
        self.look()
        self.assertEqual(len(self.register.shared), 1)
        self.world.streams.handover.abandon = abandon  # type: ignore[method-assign]
        self.look()
        self.assertEqual((len(self.ends()), self.register.shared), (1, {}))

    def test_noted(self) -> None:
        """
        A node notes its streams before it publishes anything of them, and forgets them when their
        ends are published, or when other nodes have them.
        """
        self.register.shared.clear()
        self.start("b1", producer="run")
        self.start("b2", producer="run")
        self.start("b3", producer="run", persist=False)
        noted = self.register.shared["here"]
        self.assertEqual({each.stream for each in noted}, {"b1", "b2", "b3"})
        self.world.history.held = []
        self.producer.send(type="stream_end", stream="b1", epoch=1, state="done", id="e")
        self.assertEqual(len(noted), 3)
        self.world.history.release()
        self.end("b3")
        self.assertEqual({each.stream for each in noted}, {"b2"})
        self.wait(1)
        self.successResultOf(self.store.take(Claim("other", "r9")))
        self.append("x", "b2")
        self.wait(1)
        self.assertEqual(noted, set())
