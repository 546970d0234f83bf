"""
Tests for L{aerostack.streams.ending}, by the frames of producers: ends and cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import succeed

from aerostack.core.answers.answer import CANCELLED
from aerostack.core.answers.requests import Ended
from aerostack.settings.projects import JWTConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, TOKEN_SECRET, makeProject
from tests.answers import codes
from tests.streams.watching import TOPIC, StreamCase, Watcher


class EndTests(StreamCase):
    """
    Tests for the end of a stream.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start(owner="ann")
        self.append("Hel")
        self.append("lo")

    def last(self) -> dict[str, Any]:
        """
        The last frame that came to the watcher.
        """
        frame: dict[str, Any] = self.early.take()[-1]
        return frame

    def test_done(self) -> None:
        """
        All text comes before C{ai:done}, which has no text; the history has one message with the
        text.
        """
        answer = self.end(usage={"tokens": 2}, id="e")
        self.assertEqual(
            answer, {"type": "stream_ack", "stream": "a1", "id": "e", "state": "done", "kept": True}
        )
        done = self.last()
        self.assertEqual(self.early.texts["a1", "0"], "Hello")
        self.assertEqual((done["event"], done["state"], done["stream"]), ("ai:done", "done", "a1"))
        self.assertEqual(done["data"]["usage"], {"tokens": 2})
        self.assertNotIn("text", done["data"])
        (kept,) = self.world.history.messages
        self.assertIn(b'"text":"Hello"', kept.message.data)
        self.assertEqual(kept.createdAt, done["timestamp"])

    def test_afterCommit(self) -> None:
        """
        C{ai:done} and the answer come after the commit.
        """
        self.world.history.held = []
        self.producer.send(type="stream_end", stream="a1", epoch=1)
        self.assertEqual(self.producer.take(), [])
        self.early.take()
        self.assertNotIn("ai:done", self.early.events)
        self.world.history.release()
        self.assertEqual(self.answer()["kept"], True)
        self.early.take()
        self.assertEqual(self.early.events[-1], "ai:done")

    def test_databaseGone(self) -> None:
        """
        If the database takes too long, watchers get an end that says so; the message is there
        later, once.
        """
        self.world.history.held = []
        self.producer.send(type="stream_end", stream="a1", epoch=1)
        self.wait(5)
        self.assertEqual(self.answer()["kept"], False)
        self.assertEqual(self.last()["data"]["kept"], False)
        self.world.history.release()
        self.wait(60)
        self.assertEqual(len(self.world.history.messages), 1)
        self.assertEqual(self.early.take(), [])

    def test_notKept(self) -> None:
        """
        The history does not keep a stream whose producer does not want it.
        """
        self.start("a2", persist=False)
        self.append("x", "a2")
        self.assertEqual(self.end("a2")["kept"], False)
        self.assertEqual(self.world.history.messages, [])

    def test_lacking(self) -> None:
        """
        A stream of which the daemon has less than its producer has written does not end.  The
        producer goes on from there, and ends it then.
        """
        error = self.end(length={"0": 7}, id="e")
        self.assertEqual(
            (error["code"], error["length"], error["id"], error["request"]),
            ("stream_gap", {"0": 5}, "e", "stream_end"),
        )
        self.assertIn("The part 0 has 5 UTF-16 units", error["message"])
        error = self.end(length={"0": 5, "r": 1})
        self.assertEqual((error["code"], error["length"]), ("stream_gap", {"0": 5}))
        self.assertNotIn("ai:done", self.early.events)
        self.append(" 😀")
        self.assertEqual(self.end(length={"0": 8, "r": 0})["state"], "done")
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "Hello 😀")
        # The answer was lost: it comes again.
        self.assertEqual(self.end(length={"0": 8, "r": 0})["kept"], True)

    def test_lackingTakenBack(self) -> None:
        """
        Text that was taken back counts: the daemon may have lost that.
        """
        written = {"length": {"0": 3}, "edition": {"0": 1}}
        error = self.end(**written)
        self.assertEqual((error["code"], error["length"]), ("stream_gap", {"0": 5}))
        self.takeBack(1, "i!", 1)
        error = self.end(length={"0": 4}, edition={"0": 1})
        self.assertEqual((error["code"], error["edition"]), ("stream_gap", {"0": 1}))
        self.assertEqual(self.end(**written)["state"], "done")

    def test_lackingStopped(self) -> None:
        """
        A producer whose end was refused is still told when its stream is cancelled.
        """
        self.end(length={"0": 7})
        cancelling = self.world.connect(key=SECRET_KEY)
        cancelling.send(type="stream_cancel", stream="a1", id="c")
        self.world.advance(0.1)
        (stop,) = self.producer.take()
        self.assertEqual((stop["type"], stop["state"]), ("stream_stop", "cancelled"))

    def test_lackingInvalid(self) -> None:
        """
        What says nothing of how much was written is refused with a sentence.
        """
        for fields in (
            {"length": {"0": -1}},
            {"length": {"0": 2**53}},
            {"length": {"a b": 1}},
            {"length": {"0": 5}, "edition": {"0": -1}},
            {"edition": {"0": 1}},
        ):
            error = self.end(**fields)
            self.assertEqual(error["code"], "invalid_arguments", fields)
        for fields in ({"length": 5}, {"length": {"0": "5"}}, {"length": [1]}):
            self.assertEqual(self.end(**fields)["code"], "invalid_frame", fields)
        self.assertEqual(self.end(length=None, edition=None)["state"], "done")

    def test_failed(self) -> None:
        """
        A producer may say that it has failed, and why.
        """
        self.end(state="failed", error="no more tokens")
        done = self.last()
        self.assertEqual((done["state"], done["data"]["reason"]), ("failed", "no more tokens"))

    def test_again(self) -> None:
        """
        The same end again gets the same answer; text behind it is refused with the state.
        """
        first = self.end()
        self.assertEqual(self.end(), first)
        error = self.refused("x")
        self.assertEqual((error["code"], error["state"]), ("stream_ended", "done"))
        self.early.take()
        self.assertEqual(self.early.events.count("ai:done"), 1)


class StatsTests(StreamCase):
    """
    Tests for what the end of a stream says of it.
    """

    def test_watchers(self) -> None:
        """
        The end says how many watched.
        """
        late = Watcher(self.world.connect(userId="late"))
        late.subscribe()
        self.start()
        self.append("abc")
        self.end()
        self.early.take()
        stats = self.early.ends["a1"]["stats"]
        self.assertEqual(stats, {"first": 0, "ms": 0, "appends": 1, "watchers": 2})


class CancelTests(StreamCase):
    """
    Tests for a stream that is cancelled.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ann = self.world.connect(userId="ann")

    def cancel(self, client: Any = None, stream: str = "a1") -> Any:
        """
        Cancel a stream, and give the last frame that came.
        """
        return (client or self.ann).ask(type="stream_cancel", stream=stream, id="c")[-1]

    def test_owner(self) -> None:
        """
        The owner cancels: text that was not sent yet is not sent, the producer is told, and the end
        comes to watchers before the answer.
        """
        self.start(owner="ann")
        self.append("a")
        self.ann.ask(type="subscribe", topic=TOPIC)
        self.append("unsent")
        frames = self.ann.ask(type="stream_cancel", stream="a1", id="c")
        self.assertEqual([f.get("event") for f in frames], ["ai:done", None])
        self.assertEqual(
            frames[-1], {"type": "stream_ack", "stream": "a1", "id": "c", "state": "cancelled"}
        )
        self.wait(1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "a")
        self.assertEqual(self.early.ends["a1"]["by"], "ann")
        (stop,) = self.producer.take()
        self.assertEqual(
            (stop["type"], stop["state"], stop["by"]), ("stream_stop", "cancelled", "ann")
        )
        error = self.refused("more")
        self.assertEqual((error["code"], error["by"]), ("stream_ended", "ann"))

    def test_again(self) -> None:
        """
        A stream that is cancelled already is cancelled again with the same answer; one that has
        ended otherwise is not.
        """
        self.start(owner="ann")
        self.assertEqual(self.cancel(), self.cancel())
        self.start("a2", owner="ann")
        self.end("a2")
        self.assertEqual(self.cancel(stream="a2")["code"], "stream_ended")

    def test_refused(self) -> None:
        """
        Who may not cancel is told so, with the id of the frame.
        """
        self.start("a1", owner="bob")
        self.start("a2")
        self.start("a3", cancel="nobody", owner="ann")
        for stream in ("a1", "a2", "a3"):
            error = self.cancel(stream=stream)
            self.assertEqual((error["code"], error["id"]), ("forbidden", "c"))
        self.assertEqual(self.cancel(stream="a4")["code"], "stream_unknown")

    def test_sentLater(self) -> None:
        """
        The answer waits until all subscribers have been sent what was published before the end.
        """
        self.start(owner="ann")
        sent: list[Callable[[], None]] = []

        def whenSent(topics: Iterable[str], call: Callable[[], None]) -> None:
            sent.append(call)

        self.patch(self.world.hub.delivery, "whenSent", whenSent)
        self.assertEqual(self.ann.ask(type="stream_cancel", stream="a1", id="c"), [])
        for call in sent:
            call()
        (ack,) = self.ann.take()
        self.assertEqual((ack["type"], ack["state"]), ("stream_ack", "cancelled"))

    def test_comesLater(self) -> None:
        """
        If the end of a stream that another node has cancelled comes here later than the answer of
        that node, the client gets the end before the answer all the same.
        """
        self.start(owner="ann")
        self.ann.ask(type="subscribe", topic=TOPIC)
        cancel = self.world.streams.cancel
        answered = succeed(Ended("a1", CANCELLED, True))
        self.patch(self.world.streams, "cancel", lambda project, stream, by: answered)
        self.ann.send(type="stream_cancel", stream="a1", id="c")
        self.world.advance(0.1)
        self.assertEqual(self.ann.take(), [])
        cancel("p", "a1", "ann")
        self.world.advance(0.1)
        types = [frame.get("event", frame["type"]) for frame in self.ann.take()]
        self.assertEqual(types, ["ai:done", "stream_ack"])

    def test_noName(self) -> None:
        """
        A client without a name owns no stream, also none that is for no user in particular.
        """
        self.start("a1")
        self.start("a2", owner="ann")
        nobody = self.world.connect()
        for stream in ("a1", "a2"):
            self.assertEqual(self.cancel(nobody, stream)["code"], "forbidden")

    def test_claimedName(self) -> None:
        """
        Whoever gives a name in the URL owns nothing where the project does not believe such names,
        and not what a user with a token of that name owns.
        """
        jwt = JWTConfig(algorithm="HS256", key=TOKEN_SECRET)
        for project in (makeProject(anonymous=False), makeProject(jwt=jwt)):
            self.world = type(self.world)(projects={"p": project})
            self.producer = self.world.connect(key=SECRET_KEY)
            self.start(owner="ann")
            posing = self.world.connect(key=PUBLIC_KEY, userId="ann")
            self.assertEqual(self.cancel(posing)["code"], "forbidden")

    def test_publishers(self) -> None:
        """
        Everyone who may publish on the topic cancels a stream that says so; the secret key cancels
        any.
        """
        self.start("a1", cancel="publishers")
        self.assertEqual(self.cancel()["state"], "cancelled")
        self.start("a2", cancel="nobody")
        self.assertEqual(self.cancel(self.producer, "a2")["state"], "cancelled")

    def test_kept(self) -> None:
        """
        The history keeps what a cancelled stream has.
        """
        self.start(owner="ann")
        self.append("Hel")
        self.cancel()
        (kept,) = self.world.history.messages
        self.assertIn(b'"text":"Hel"', kept.message.data)

    def test_disconnecting(self) -> None:
        """
        A watcher who goes cancels nothing.
        """
        self.start(owner="ann")
        self.ann.ask(type="subscribe", topic=TOPIC)
        self.ann.close()
        self.wait(5)
        self.assertEqual(codes(self.producer.take()), [])
        self.early.take()
        self.assertEqual(self.early.ends, {})
