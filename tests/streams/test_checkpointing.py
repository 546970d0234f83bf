"""
Tests for L{aerostack.streams.checkpointing}, and for streams that outlive a restart.
"""

from __future__ import annotations

from twisted.internet.defer import fail

from aerostack.core.answers.answer import Terms
from aerostack.core.answers.requests import StartRequest
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.streams.checkpointing import MOST
from aerostack.testing import SECRET_KEY
from tests.streams.watching import CANONICAL, TOPIC, StreamCase, Watcher


class CheckpointTests(StreamCase):
    """
    Tests for what is kept while a stream runs.
    """

    def test_once(self) -> None:
        """
        Each character is written once, however long the stream runs.
        """
        self.start()
        for _ in range(50):
            self.append("x" * 100)
            self.wait(1)
        self.assertEqual(self.world.history.answers.written, 5000)

    def test_deleted(self) -> None:
        """
        What is kept goes with the end of the stream.
        """
        self.start()
        self.append("abc")
        self.wait(1)
        self.assertEqual(len(self.world.history.answers.records), 1)
        self.end()
        self.wait(2)
        answers = self.world.history.answers
        self.assertEqual((answers.records, answers.pieces), ({}, {}))

    def test_down(self) -> None:
        """
        What could not be written is written later.
        """
        self.start()
        answers = self.world.history.answers
        answers.isDown = True
        self.append("abc")
        self.wait(3)
        answers.isDown = False
        self.append("def")
        self.wait(3)
        self.assertEqual("".join(piece.text for piece in answers.pieces.values()), "abcdef")

    def test_broken(self) -> None:
        """
        A fault of the store itself is logged, and what it did not write is written later.
        """
        answers = self.world.history.answers
        self.start()
        patched = self.patch(answers, "write", lambda checkpoint: fail(ZeroDivisionError()))
        self.append("abc")
        self.wait(2)
        self.assertNotEqual(self.flushLoggedErrors(ZeroDivisionError), [])
        patched.restore()
        self.wait(1)
        self.assertEqual(answers.written, 3)

    def test_portions(self) -> None:
        """
        Much text is written in several transactions, of which each follows the one before at once;
        what comes meanwhile waits for the next second.
        """
        answers = self.world.history.answers
        for name in ("a1", "a2", "a3"):
            self.start(name)
            self.append("x" * MOST, name)
        answers.held = []
        self.wait(1)
        written = []
        while answers.held:
            (write,) = answers.held
            answers.held.clear()
            write()
            written.append(answers.written)
            self.append("y", "a1")
        self.assertEqual(written, [MOST, 2 * MOST, 3 * MOST])
        answers.held = None
        self.wait(1)
        self.assertEqual(answers.written, 3 * MOST + 3)

    def test_portionsDown(self) -> None:
        """
        Where the database does not take a transaction, the next one waits for the next second.
        """
        answers = self.world.history.answers
        for name in ("a1", "a2"):
            self.start(name)
            self.append("x" * MOST, name)
        answers.held, answers.isDown = [], True
        self.wait(1)
        (write,) = answers.held
        answers.held.clear()
        write()
        self.assertEqual(answers.held, [])
        answers.held, answers.isDown = None, False
        self.wait(1)
        self.assertEqual(answers.written, 2 * MOST)

    def test_notPersisted(self) -> None:
        """
        A stream that is not to be kept is not written.
        """
        self.start(persist=False)
        self.append("abc")
        self.wait(2)
        self.assertEqual(self.world.history.answers.records, {})


class RestartCase(StreamCase):
    """
    A daemon that is started again.
    """

    def restart(self) -> None:
        """
        End the daemon as a crash does, and start another on the same database.
        """
        self.producer.die()
        self.early.client.die()
        self.world.restart()
        self.producer = self.world.connect(key=SECRET_KEY)
        self.early = Watcher(self.world.connect(userId="early"))


class RestartTests(RestartCase):
    """
    Tests for a restart of the daemon.
    """

    def test_goesOn(self) -> None:
        """
        A producer that is back within its lease goes on from the length that was kept; watchers get
        the text.
        """
        self.start(producer="run", owner="ann")
        self.append("abc")
        self.producer.send(
            type="stream_put", stream="a1", epoch=1, part="s", kind="data", value={"name": "n"}
        )
        self.wait(1)
        self.append("lost")
        self.restart()
        self.early.subscribe()
        self.assertEqual(self.early.texts["a1", "0"], "abc")
        self.assertEqual(self.early.events, ["ai:start", "ai:token", "ai:data"])
        answer = self.start(producer="run")
        self.assertEqual((answer["epoch"], answer["length"]), (1, {"0": 3, "s": 0}))
        self.append("def", at=3)
        self.end()
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abcdef")
        self.assertEqual(len(self.world.history.messages), 1)

    def test_aborted(self) -> None:
        """
        A stream whose producer does not come back ends, and the history has its text.
        """
        self.start(lease=5000)
        self.append("abc")
        self.wait(1)
        self.restart()
        self.early.subscribe()
        self.wait(7)
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "lease")
        (kept,) = self.world.history.messages
        self.assertIn(b'"text":"abc"', kept.message.data)
        self.assertEqual(self.world.history.answers.records, {})

    def test_relay(self) -> None:
        """
        A stream that the daemon itself produced ends soon after the restart.
        """
        terms = Terms(lease=600.0)
        request = StartRequest(terms, "a1", "relay:1")
        topic = topicOf(CANONICAL)
        self.successResultOf(self.world.streams.start(topic, request))
        self.append("abc")
        self.wait(1)
        self.restart()
        self.early.subscribe()
        self.wait(1)
        self.early.take()
        self.assertEqual(self.early.ends["a1"]["reason"], "restart")

    def test_resumed(self) -> None:
        """
        A watcher that comes back with a position from before gets the kept messages that it missed,
        and the whole text again.
        """
        publish = {"type": "publish", "topic": TOPIC, "event": "hi", "data": 1, "persist": True}
        self.producer.send(**publish)
        self.start(producer="run")
        self.append("abc")
        self.append("def")
        self.wait(1)
        self.early.take()
        position = self.early.position
        self.producer.ask(**publish)
        self.restart()
        answer, *frames = self.early.subscribe(position)
        self.assertTrue(answer["recovered"])
        self.assertEqual([f["event"] for f in frames], ["hi", "ai:start", "ai:token"])
        self.assertEqual(self.early.texts["a1", "0"], "abcdef")

    def test_endedBefore(self) -> None:
        """
        A producer that did not get the answer to its end, because the daemon was killed, learns
        that the stream has ended when it starts again.  Its id may begin another stream later.
        """
        self.start(producer="run")
        self.append("abc")
        self.end()
        self.restart()
        answer = self.start(producer="run", id="s")
        self.assertEqual((answer["code"], answer["state"]), ("stream_ended", "done"))
        self.assertEqual(len(self.world.history.messages), 1)
        self.wait(400)
        self.assertEqual(self.start(producer="run", id="s")["length"], {})

    def test_unreadable(self) -> None:
        """
        While the database does not answer, a stream begins.
        """
        self.restart()
        self.patch(
            self.world.history,
            "findEnd",
            lambda project, stream: fail(RealtimeError("database_unavailable", "Wait.", 1000)),
        )
        self.assertEqual(self.start(producer="run", id="s")["epoch"], 1)

    def test_stop(self) -> None:
        """
        A daemon that stops keeps everything that is new.
        """
        self.start()
        self.append("abc")
        self.successResultOf(self.world.streams.stop())
        self.assertEqual(self.world.history.answers.written, 3)
        self.assertEqual(
            TOPIC + "/p", next(iter(self.world.history.answers.records.values())).topic
        )
