"""
Tests for L{aerostack.streams.adopting}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from aerostack.core.answers.answer import DONE, STREAMING
from aerostack.core.answers.checkpoints import (
    AnswerRecord,
    Checkpoint,
    Claim,
    Piece,
    StoredAnswer,
)
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import EVENT, Publication, StreamMark
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.streams.adopting import STILL, Adopter
from tests.streams.nodes import FakeNodes
from tests.streams.watching import CANONICAL, StreamCase

LEASE = 60_000


class FakeStanding:
    """
    What a node knows of the others.

    @ivar gone: The runs that are gone.
    """

    def __init__(self) -> None:
        self.isCurrent = self.isHeard = True
        self.silent: set[str] = set()
        self.gone: set[str] = set()

    def isGone(self, run: str) -> bool:
        """See L{aerostack.streams.adopting.Standing}."""
        return run in self.gone


class AdoptingCase(StreamCase):
    """
    A world as one of several nodes.

    @ivar log: What the topic's log has.
    @ivar stops: What producers at other nodes were told.
    """

    def setUp(self) -> None:
        super().setUp()
        self.nodes, self.standing = FakeNodes(), FakeStanding()
        self.store = self.world.history.answers
        self.log: list[Publication] = []
        self.logDown = False
        self.followed = True
        self.stops: list[Any] = []
        self.adopter = Adopter(
            self.world.clock,
            "here",
            self.world.streams,
            self.store,
            self.nodes,
            self.standing,
            self.read,
            lambda topic: self.followed,
            self.stops.append,
        )

    def read(
        self, topic: str, after: int, until: int | None, limit: int, size: int
    ) -> Deferred[list[SharedEntry]]:
        """
        Read the topic's log, an entry at a time.
        """
        if self.logDown:
            return fail(RealtimeError("engine_unavailable", "It is down.", 1000))
        page = self.log[after : after + 1]
        return succeed([SharedEntry(Position("e", after + 1, 0), "", each) for each in page])

    def look(self) -> None:
        """
        Look after streams.
        """
        looked = self.adopter.look()
        self.world.advance(0.1)
        self.successResultOf(looked)

    def leave(
        self, *texts: str, stream: str = "a1", producer: str = "run", run: str = "r0"
    ) -> None:
        """
        Let a node leave a stream in the database.
        """
        about = b'{"began":1000,"lease":60.0,"meta":{"m":1}}'
        record = AnswerRecord(f"m{stream}", stream, CANONICAL, "n0", None, 3, producer, about, "r0")
        pieces, at = [], 0
        for text in texts:
            pieces.append(Piece(record.id, "0", 0, "text", at, text))
            at += len(text)
        self.successResultOf(self.store.write(Checkpoint((record,), tuple(pieces), "r0")))

    def other(self, *marks: StreamMark, data: bytes = b"") -> list[Publication]:
        """
        What another node has published.
        """
        return [
            Publication(CANONICAL, EVENT, "ai:token", data, None, 1000, None, mark)
            for mark in marks
        ]

    def mirror(self, *texts: str, stream: str = "a1") -> None:
        """
        Let a stream of another node come to the subscribers.
        """
        at, marks = 0, [StreamMark(stream)]
        for text in texts:
            marks.append(StreamMark(stream, "0", "text", at, text))
            at += len(text)
        for publication in self.other(*marks):
            data = b"" if publication.stream and publication.stream.part else b'{"id":"a1"}'
            event = "ai:token" if not data else "ai:start"
            self.world.hub.delivery.deliver(
                Publication(CANONICAL, EVENT, event, data, None, 1000, None, publication.stream)
            )

    def text(self) -> str:
        """
        The text that the first watcher has.
        """
        self.early.take()
        return self.early.texts.get(("a1", "0"), "")


class AdoptTests(AdoptingCase):
    """
    Tests for the streams that nodes have left in the database.
    """

    def test_alive(self) -> None:
        """
        The streams of a node that is there are left to it.
        """
        self.leave("abc")
        self.look()
        self.assertIsNone(self.world.streams.answers.get("p", "a1"))
        self.standing.gone = {"r0"}
        self.standing.isCurrent = False
        self.look()
        self.assertIsNone(self.world.streams.answers.get("p", "a1"))

    def test_goesOn(self) -> None:
        """
        A stream of a node that is gone runs here: its producer goes on with its number, and
        watchers get its beginning, those that were here before with the next piece.
        """
        self.leave("abc", "def")
        self.standing.gone = {"r0"}
        self.look()
        late = self.join()
        self.assertEqual(late.texts["a1", "0"], "abcdef")
        answer = self.start(producer="run", lease=LEASE)
        self.assertEqual((answer["epoch"], answer["length"]), (3, {"0": 6}))
        self.append("g", at=6, epoch=3)
        self.end(epoch=3)
        late.take()
        self.assertEqual(late.texts["a1", "0"], "abcdefg")
        (kept,) = self.world.history.messages
        self.assertIn(b'"text":"abcdefg"', kept.message.data)
        self.assertEqual((self.store.records, self.store.pieces), ({}, {}))

    def test_many(self) -> None:
        """
        However many streams a node has left, all are taken over.
        """
        for number in range(250):
            self.leave("abc", stream=f"s{number}")
        self.standing.gone = {"r0"}
        looked = self.adopter.look()
        while not looked.called:
            self.world.advance(0.001)
        self.assertEqual(len(self.world.streams.answers), 250)

    def test_lease(self) -> None:
        """
        A stream whose producer does not come ends; so does one that the gone daemon itself
        produced, at once.
        """
        self.leave("abc")
        self.leave("abc", stream="a2", producer="relay:1")
        self.standing.gone = {"r0"}
        self.look()
        self.wait(1)
        self.early.take()
        self.assertEqual(self.early.ends["a2"]["reason"], "restart")
        self.wait(60)
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "lease")
        # Its producer may be at any node.
        self.assertEqual({stop.stream: stop.state for stop in self.stops}["a1"], "aborted")

    def test_log(self) -> None:
        """
        The topic's log may have more than the database: it is read to its end.
        """
        self.leave("abc")
        self.log = self.other(
            StreamMark("a1"),
            StreamMark("a1", "0", "text", 0, "abc"),
            StreamMark("a2", "0", "text", 0, "x"),
            StreamMark("a1", "0", "text", 3, "def"),
        )
        self.standing.gone = {"r0"}
        self.look()
        self.assertEqual(self.start(producer="run")["length"], {"0": 6})
        self.wait(1)
        self.assertEqual(self.store.written, 6)

    def test_own(self) -> None:
        """
        What an earlier run of this node has left goes on as the topic's log has it, once the engine
        answers.
        """
        self.leave("abc")
        claim = Claim("here", self.world.streams.checkpoints.run, ofRun="r0", most=10)
        self.adopter.leave(self.successResultOf(self.store.take(claim)))
        self.log = self.other(StreamMark("a1"), StreamMark("a1", "0", "text", 0, "abcdef"))
        self.standing.isCurrent = False
        self.look()
        self.assertIsNone(self.world.streams.answers.get("p", "a1"))
        self.standing.isCurrent = True
        self.look()
        self.assertEqual(self.start(producer="run")["length"], {"0": 6})

    def test_logDown(self) -> None:
        """
        If the log cannot be read, what the database has goes on.
        """
        self.leave("abc")
        self.logDown = True
        self.standing.gone = {"r0"}
        self.look()
        self.assertEqual(self.start(producer="run")["length"], {"0": 3})

    def test_longerMirror(self) -> None:
        """
        What came here over the log goes on, if it is more than the database has.
        """
        self.mirror("abc", "def")
        self.assertEqual(self.text(), "abcdef")
        self.leave("abc")
        self.standing.gone = {"r0"}
        self.look()
        self.wait(1)
        self.assertEqual(self.start(producer="run")["length"], {"0": 6})
        self.append("g", at=6, epoch=3)
        self.assertEqual(self.text(), "abcdefg")
        self.assertEqual(self.early.events.count("ai:start"), 1)
        self.wait(1)
        self.assertEqual(self.store.written, 7)

    def test_shorterMirror(self) -> None:
        """
        Text that the gone node has kept, and not published, is published.
        """
        self.mirror("abc")
        self.leave("abc", "def")
        self.standing.gone = {"r0"}
        self.look()
        self.wait(1)
        self.assertEqual(self.text(), "abcdef")

    def test_ended(self) -> None:
        """
        A stream whose end watchers have, but not the database, is kept, and ends no second time.
        """
        end = StreamMark("a1", state=DONE)
        data = b'{"id":"a1","state":"done","reason":"length","usage":{"tokens":1},"kept":false}'
        self.leave("abc")
        self.log = self.other(StreamMark("a1", "0", "text", 0, "abc"))
        self.log += self.other(end, data=data)
        self.standing.gone = {"r0"}
        self.look()
        (kept,) = self.world.history.messages
        for field in (b'"text":"abc"', b'"reason":"length"', b'"usage":{"tokens":1}'):
            self.assertIn(field, kept.message.data)
        self.early.take()
        self.assertEqual((self.early.ends, self.store.records), ({}, {}))

    def test_taken(self) -> None:
        """
        If another stream has the id by now, the text is kept, and the other one goes on.
        """
        self.start()
        self.leave("abc")
        self.standing.gone = {"r0"}
        self.look()
        (kept,) = self.world.history.messages
        self.assertIn(b'"state":"aborted","reason":"restart"', kept.message.data)
        self.append("x")
        self.assertEqual(self.text(), "x")
        self.assertEqual(self.early.ends, {})

    def test_malformed(self) -> None:
        """
        What no daemon has written is left out, and the others go on.
        """
        about = b'{"began":"x"}'
        record = AnswerRecord("m9", "a9", CANONICAL, "n0", None, 1, None, about, "r0")
        self.successResultOf(self.store.write(Checkpoint((record,), (), "r0")))
        self.leave("abc")
        self.standing.gone = {"r0"}
        self.look()
        self.assertEqual(len(self.world.streams.runs.running), 1)

    def test_coming(self) -> None:
        """
        While no node has a stream that the database has, it is about to be taken over.
        """
        coming = self.adopter.isComing
        self.assertFalse(self.successResultOf(coming("p", "a1")))
        self.leave("abc")
        self.assertTrue(self.successResultOf(coming("p", "a1")))
        self.assertFalse(self.successResultOf(coming("q", "a1")))

    def test_down(self) -> None:
        """
        If the database does not answer, the next look tries again.
        """
        self.leave("abc")
        self.standing.gone = {"r0"}
        self.store.isDown = True
        self.look()
        self.store.isDown = False
        self.look()
        self.assertEqual(len(self.world.streams.runs.running), 1)


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


class LapseTests(AdoptingCase):
    """
    Tests for a node that others may have taken for dead.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start(producer="run", lease=LEASE)
        self.append("abc")
        self.wait(1)
        self.early.take()

    def takeOver(self) -> None:
        """
        Let another node take the stream over.
        """
        # Other nodes have the database, even if this one does not reach it.
        isDown, self.store.isDown = self.store.isDown, False
        self.successResultOf(self.store.take(Claim("other", "r9")))
        self.store.isDown = isDown

    def state(self) -> str:
        """
        What the node says of the stream to its producer.
        """
        self.producer.send(type="stream_beat", stream="a1", epoch=1, id="b")
        answer = self.answer()
        return str(answer.get("code", STREAMING))

    def test_unheard(self) -> None:
        """
        As soon as its lease is over, a node publishes nothing of its streams.
        """
        self.standing.isHeard = False
        self.append("def")
        self.wait(1)
        self.assertEqual(self.text(), "abc")
        self.standing.isHeard = True
        self.wait(1)
        self.assertEqual(self.text(), "abcdef")

    def test_overdue(self) -> None:
        """
        A node that was frozen for longer than a lease ends no stream before it knows that the
        stream is still its own.
        """
        self.store.isDown = True
        self.adopter.lapsed()
        self.wait(LEASE / 1000 + 5)
        self.early.take()
        self.assertEqual(self.early.ends, {})
        self.takeOver()
        self.store.isDown = False
        self.look()
        self.wait(2)
        self.early.take()
        self.assertEqual((self.early.ends, self.world.history.messages), ({}, []))
        self.assertEqual(self.state(), "stream_unknown")

    def test_emitted(self) -> None:
        """
        Tokens that a server emits are refused for so long.
        """
        self.end()

        def emit() -> Deferred[Any] | None:
            data = b'{"token":"a"}'
            publisher = self.world.backbone.publisher
            return publisher.publish(topicOf(CANONICAL), "ai:token", data, None, False)

        emit()
        self.standing.isHeard = False
        emitted = emit()
        assert emitted is not None
        error = self.failureResultOf(emitted, RealtimeError).value
        self.assertEqual((error.code, error.retryAfter), ("engine_unavailable", 1000))

    def test_kept(self) -> None:
        """
        If nothing was taken over, everything goes on.
        """
        self.adopter.lapsed()
        self.look()
        self.assertTrue(self.adopter.isSure())
        self.assertEqual(self.state(), STREAMING)

    def test_taken(self) -> None:
        """
        A stream that another node has taken over runs there alone.
        """
        self.takeOver()
        self.adopter.lapsed()
        self.look()
        self.assertEqual(self.state(), "stream_unknown")
        self.early.take()
        self.assertEqual(self.early.ends, {})

    def test_unsettled(self) -> None:
        """
        Nothing is published until the database and every other node have answered.
        """
        self.store.isDown = True
        self.adopter.lapsed()
        self.look()
        self.append("def")
        self.wait(1)
        self.assertEqual(self.text(), "abc")
        self.assertFalse(self.adopter.isSure())
        self.store.isDown = False
        self.nodes.answers = {"there": None}
        self.look()
        self.assertFalse(self.adopter.isSure())
        self.nodes.answers = {}
        self.look()
        self.wait(1)
        self.assertEqual(self.text(), "abcdef")

    def test_endedElsewhere(self) -> None:
        """
        A stream that other nodes have ended, because the database did not have it, runs no more.
        """
        there = FakeNodes()
        world = type(self.world)()
        Adopter(
            world.clock,
            "there",
            world.streams,
            world.history.answers,
            there,
            FakeStanding(),
            self.read,
            lambda topic: True,
            lambda stop: None,
        )
        answer = self.world.streams.answers.get("p", "a1")
        assert answer is not None
        for mark in (StreamMark("a1"), StreamMark("a1", state="aborted")):
            publication = Publication(
                CANONICAL, EVENT, "ai:start", b"{}", None, answer.began, None, mark
            )
            world.streams.answers.take(publication, world.clock.seconds())
        self.nodes.answers = {"there": there.served}
        self.adopter.lapsed()
        self.look()
        self.assertEqual(self.state(), "stream_unknown")

    def test_endedInLog(self) -> None:
        """
        If the end comes over the log, the producer is told to stop.
        """
        end = self.other(StreamMark("a1", state="aborted"), data=b'{"id":"a1","state":"aborted"}')
        self.producer.take()
        self.world.hub.delivery.deliver(end[0])
        self.wait(1)
        self.assertEqual(self.answer()["type"], "stream_stop")
        self.assertEqual(self.state(), "stream_unknown")
        self.assertEqual(self.world.history.messages, [])
