"""
Tests for L{aerostack.streams.adopting}: the streams that daemons have left in the database.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail

from aerostack.core.answers.answer import DONE
from aerostack.core.answers.checkpoints import (
    AnswerRecord,
    Checkpoint,
    Claim,
    Piece,
)
from aerostack.core.replay.publications import StreamMark
from aerostack.errors import RealtimeError
from tests.streams.adopting import LEASE, AdoptingCase
from tests.streams.watching import CANONICAL


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
        self.leave("abc", node="here")
        self.log = self.other(StreamMark("a1"), StreamMark("a1", "0", "text", 0, "abcdef"))
        self.standing.isCurrent = False
        self.look()
        self.assertIsNone(self.world.streams.answers.get("p", "a1"))
        self.standing.isCurrent = True
        self.look()
        self.assertEqual(self.start(producer="run")["length"], {"0": 6})

    def test_namesake(self) -> None:
        """
        As long as another node may have this one's name, what the name has is left to it.
        """
        self.leave("abc", node="here")
        self.standing.isNamed = False
        self.look()
        self.assertIsNone(self.world.streams.answers.get("p", "a1"))
        self.standing.isNamed = True
        self.look()
        self.assertEqual(self.start(producer="run")["length"], {"0": 3})

    def test_answerLost(self) -> None:
        """
        A claim may have been committed although its answer did not come: the next look finds what
        this node has by then.
        """
        self.leave("abc")
        self.standing.gone = {"r0"}
        take, self.store.take = self.store.take, self.takeUnanswered  # type: ignore[method-assign]
        self.look()
        self.assertEqual(self.world.streams.runs.running, [])
        self.assertTrue(self.successResultOf(self.adopter.isComing("p", "a1")))
        self.store.take = take  # type: ignore[method-assign]
        self.look()
        self.assertEqual(self.start(producer="run")["length"], {"0": 3})
        self.append("d", at=3, epoch=3)
        self.look()
        self.end(epoch=3)
        (kept,) = self.world.history.messages
        self.assertIn(b'"text":"abcd"', kept.message.data)

    def takeUnanswered(self, claim: Claim) -> Deferred[Any]:
        """
        Take streams over, and lose the database's answer.
        """
        self.successResultOf(type(self.store).take(self.store, claim))
        return fail(RealtimeError("database_unavailable", "It broke off.", 1000))

    def test_regained(self) -> None:
        """
        A stream that another node took over, and left again before this one noticed, goes on here:
        its producer goes on, and watchers get one end.
        """
        self.start(producer="run", lease=LEASE)
        self.append("abc")
        self.wait(1)
        self.successResultOf(self.store.take(Claim("other", "r9")))
        (record,) = self.store.records.values()
        # It kept text of another producer, and died before it published that.
        more = Piece(record.id, "0", 0, "text", 3, "def")
        changed = replace(record, epoch=2, producer="another")
        self.successResultOf(self.store.write(Checkpoint((changed,), (more,), "r9")))
        self.standing.gone = {"r9"}
        self.look()
        self.wait(1)
        self.assertEqual(self.text(), "abcdef")
        self.assertEqual(self.refused("x", at=3)["code"], "stream_fenced")
        self.append("ghi", at=6, epoch=2)
        self.wait(1)
        self.end(epoch=2)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abcdefghi")
        self.assertEqual(self.early.events.count("ai:done"), 1)
        self.assertEqual(self.early.ends["a1"]["state"], "done")
        (kept,) = self.world.history.messages
        self.assertIn(b'"text":"abcdefghi"', kept.message.data)
        self.assertEqual((self.store.records, self.store.pieces), ({}, {}))

    def test_overtaken(self) -> None:
        """
        A stream that another node has taken over since this one claimed it runs here no more, after
        the next checkpoint.
        """
        self.leave("abc")
        self.standing.gone = {"r0"}
        self.adopter.look()
        self.successResultOf(self.store.take(Claim("other", "r9")))
        self.wait(1)
        self.assertEqual(self.world.streams.runs.running, [])

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

    def test_endedBeforeKept(self) -> None:
        """
        Such a stream does not begin again while the database is slow to keep its end.
        """
        self.leave("abc")
        data = b'{"id":"a1","state":"done"}'
        self.log = self.other(StreamMark("a1", "0", "text", 0, "abc"))
        self.log += self.other(StreamMark("a1", state=DONE), data=data)
        self.standing.gone = {"r0"}
        self.patch(self.world.history, "append", lambda message: Deferred())
        self.look()
        refusal = self.start(producer="run")
        self.assertEqual((refusal["code"], refusal["state"]), ("stream_ended", "done"))
        self.early.take()
        self.assertEqual(self.early.events, [])

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
