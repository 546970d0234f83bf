"""
Tests for subscriptions that begin with the newest frames of a topic's log.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.replay.log import Depth
from aerostack.core.topics.policies import TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.recovery import replay
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryClient, World
from tests.answers import codes
from tests.streams.watching import StreamCase

ROOM = Topic("chat/a", "p")
DEPTH = Depth(4, 1_000_000, 300.0)


class RewindCase(SynchronousTestCase):
    """
    A world whose logs hold four frames in memory.
    """

    default = 0

    def setUp(self) -> None:
        policy = TopicPolicy(DEPTH, rewind=self.default)
        self.world = World(
            limits=LimitsConfig(rewind=50), rules=TopicPolicies([], policy), tables=("orders",)
        )
        # Without a log, an event that is not kept is nowhere.
        self.world.hub.sequencer.openLog(ROOM.canonical)

    def say(self, *numbers: int, kept: bool = True) -> None:
        """
        Publish events.
        """
        for number in numbers:
            self.world.hub.publisher.publish(ROOM, "e", b"%d" % number, None, kept)

    def ask(self, **fields: Any) -> list[dict[str, Any]]:
        """
        Subscribe a new client.

        @return: The frames that it gets.
        """
        self.client: MemoryClient = self.world.connect()
        self.client.positions = True
        return self.client.ask(type="subscribe", topic="chat/a", **fields)

    def numbers(self, frames: list[dict[str, Any]]) -> list[Any]:
        """
        What the frames bring behind the answer.
        """
        self.assertEqual(frames[0]["type"], "subscribed", frames)
        return [frame["data"] for frame in frames[1:]]


class RewindTests(RewindCase):
    """
    Tests for clients that ask for the past of a topic.
    """

    def test_memory(self) -> None:
        """
        The newest frames come from memory, kept or not, oldest first, and live frames follow.
        """
        self.say(1, 2)
        self.say(3, 4, kept=False)
        frames = self.ask(rewind=3)
        self.assertEqual(self.numbers(frames), [2, 3, 4])
        self.assertNotIn("pos", frames[0])
        self.say(5)
        self.assertEqual([frame["data"] for frame in self.client.take()], [5])

    def test_kept(self) -> None:
        """
        What is no longer in memory comes from the history, as far as it was kept.
        """
        self.say(1, 2, 3)
        self.say(4, kept=False)
        self.say(5, 6, 7, 8)
        self.assertEqual(self.numbers(self.ask(rewind=6)), [2, 3, 5, 6, 7, 8])
        self.assertEqual(self.numbers(self.ask(rewind=50)), [1, 2, 3, 5, 6, 7, 8])

    def test_restarted(self) -> None:
        """
        After a restart of the daemon the kept frames come.
        """
        self.say(*range(10))
        self.world.restart()
        self.assertEqual(self.numbers(self.ask(rewind=3)), [7, 8, 9])

    def test_pages(self) -> None:
        """
        More frames than are read at once come in pages.
        """
        self.patch(replay, "PAGE", 2)
        self.say(*range(20))
        self.assertEqual(self.numbers(self.ask(rewind=15)), list(range(5, 20)))

    def test_nothing(self) -> None:
        """
        On a topic without a past the answer has the position at which live delivery begins.
        """
        [answer] = self.ask(rewind=5)
        self.say(1)
        again = self.ask(since=answer["pos"])
        self.assertEqual(self.numbers(again), [1])

    def test_zero(self) -> None:
        """
        With C{rewind} 0 nothing of the past comes.
        """
        self.say(1)
        self.assertEqual(self.numbers(self.ask(rewind=0)), [])

    def test_resumed(self) -> None:
        """
        A client whose connection breaks in between resumes from each of the frames.
        """
        self.say(*range(9))
        frames = self.ask(rewind=8)
        for number, frame in enumerate(frames[1:], 1):
            again = self.ask(since=frame["pos"], rewind=8)
            self.assertTrue(again[0]["recovered"])
            self.assertEqual(self.numbers(again), list(range(1 + number, 9)))

    def test_since(self) -> None:
        """
        C{since} wins: a client that gets everything that it missed is not sent anything before.
        """
        self.say(1, 2)
        *_, last = self.ask(rewind=2)
        self.say(3)
        answer, *missed = self.ask(since=last["pos"], rewind=2)
        self.assertTrue(answer["recovered"])
        self.assertEqual([frame["data"] for frame in missed], [3])

    def test_gap(self) -> None:
        """
        A client that cannot get what it missed begins with the newest frames again.
        """
        self.say(1)
        *_, last = self.ask(rewind=1)
        self.say(*range(2, 9), kept=False)
        answer, *frames = self.ask(since=last["pos"], rewind=2)
        self.assertEqual((answer["recovered"], answer["gap"]), (False, {"reason": "expired"}))
        self.assertEqual([frame["data"] for frame in frames], [7, 8])

    def test_slowGap(self) -> None:
        """
        What is published while the daemon finds out that it has a gap comes once.
        """
        self.say(1)
        *_, last = self.ask(rewind=1)
        self.say(*range(2, 9))
        self.world.history.forget(self.world.history.messages[2].createdAt)
        self.world.history.reading = reading = []
        self.client = self.world.connect()
        self.client.send(type="subscribe", topic="chat/a", since=last["pos"], rewind=3)
        self.say(9)
        self.world.turn()
        self.say(10)
        reading.pop(0)()
        self.say(11)
        answer, *frames = self.client.take()
        self.assertEqual(answer["gap"], {"reason": "expired"})
        self.assertEqual([frame["data"] for frame in frames], [8, 9, 10, 11])

    def test_forgotten(self) -> None:
        """
        Messages that the history has forgotten do not come, and the subscription begins.
        """
        self.say(*range(9))
        self.world.history.forget(self.world.history.messages[2].createdAt)
        self.assertEqual(self.numbers(self.ask(rewind=9)), list(range(3, 9)))

    def test_forgottenMeanwhile(self) -> None:
        """
        Messages that the history forgets while they are looked for do not come.
        """
        self.say(*range(9))
        self.world.history.reading = reading = []
        self.client = self.world.connect()
        self.client.send(type="subscribe", topic="chat/a", rewind=9)
        reading.pop(0)()
        self.world.turn()
        self.world.history.forget(self.world.history.messages[2].createdAt)
        reading.pop(0)()
        self.assertEqual(self.numbers(self.client.take()), list(range(3, 9)))

    def test_unreadable(self) -> None:
        """
        If the database cannot be read, the client is told to subscribe again.
        """
        self.say(*range(9))
        error = RealtimeError("database_unavailable", "Not now.", 1000)
        self.patch(self.world.history, "locatePast", lambda *args: fail(error))
        refused, ended = self.ask(rewind=9)
        self.assertEqual((refused["code"], refused["retryAfter"]), ("database_unavailable", 1000))
        self.assertEqual(ended["type"], "unsubscribed")

    def test_table(self) -> None:
        """
        A table's topic has no rewind, and the error says what there is in its place.
        """
        client = self.world.connect()
        [error] = client.ask(type="subscribe", topic="orders", rewind=5)
        self.assertEqual((error["code"], error["topic"]), ("invalid_frame", "table/orders/p"))
        self.assertIn("snapshot", error["message"])

    def test_refused(self) -> None:
        """
        A number that is negative, too large or no number is refused by an error that names it.
        """
        for wrong in (-1, 51, 1.5, "3", True):
            [error] = self.ask(rewind=wrong)
            self.assertEqual(codes([error]), ["invalid_frame"])
            self.assertIn("rewind", error["message"])
        self.assertIn("51; it can be 0 to 50", self.ask(rewind=51)[0]["message"])

    def test_slow(self) -> None:
        """
        What is published while the database is read comes once, behind what was read.
        """
        self.say(*range(9))
        self.world.history.reading = reading = []
        self.client = self.world.connect()
        self.client.send(type="subscribe", topic="chat/a", rewind=8)
        self.say(9)
        self.assertEqual(self.client.take(), [])
        while reading:
            reading.pop(0)()
            self.say(len(self.world.history.messages))
            self.world.turn()
        numbers = self.numbers(self.client.take())
        self.assertEqual(numbers[:9], list(range(1, 10)))
        self.assertEqual(numbers, sorted(set(numbers)))


class DefaultTests(RewindCase):
    """
    Tests for topics whose subscriptions begin with their past.
    """

    default = 3

    def test_given(self) -> None:
        """
        A client that does not say so begins with the frames that the configuration says.
        """
        self.say(*range(9))
        self.assertEqual(self.numbers(self.ask()), [6, 7, 8])
        self.assertEqual(self.numbers(self.ask(rewind=None)), [6, 7, 8])

    def test_own(self) -> None:
        """
        A client that says a number gets that many.
        """
        self.say(*range(9))
        self.assertEqual(self.numbers(self.ask(rewind=0)), [])
        self.assertEqual(self.numbers(self.ask(rewind=1)), [8])

    def test_table(self) -> None:
        """
        The subscription to a table begins as without that setting.
        """
        client = self.world.connect()
        self.assertEqual(
            client.ask(type="subscribe", topic="orders"),
            [{"type": "subscribed", "topic": "table/orders/p"}],
        )

    def test_unreadable(self) -> None:
        """
        If the database cannot be read, a client that has not asked gets what is in memory, and
        what is live.
        """
        self.say(*range(2))
        error = RealtimeError("database_unavailable", "Not now.", 1000)
        self.patch(self.world.history, "locatePast", lambda *args: fail(error))
        self.assertEqual(self.numbers(self.ask()), [0, 1])
        self.say(2)
        self.assertEqual([frame["data"] for frame in self.client.take()], [2])


class StreamsTests(StreamCase):
    """
    Tests for token streams among the newest frames.
    """

    def rewind(self, count: int) -> list[dict[str, Any]]:
        """
        Subscribe a new client.

        @return: The frames behind the answer.
        """
        client = self.world.connect()
        client.positions = True
        answer, *frames = client.ask(type="subscribe", topic="ai-chat/7", rewind=count)
        self.assertNotIn("pos", answer)
        return frames

    def say(self, number: int) -> None:
        """
        Publish a kept event.
        """
        topic = Topic("ai-chat/7", "p")
        self.world.hub.publisher.publish(topic, "e", b"%d" % number, None, True)
        self.wait(0.1)

    def test_running(self) -> None:
        """
        A stream that runs comes once, whole, behind the other frames.
        """
        self.join()
        self.say(1)
        self.start()
        self.append("abc")
        self.say(2)
        self.append("def")
        self.wait(0.1)
        *first, start, text = self.rewind(5)
        self.assertEqual([frame["data"] for frame in first], [1, 2])
        self.assertEqual((start["event"], text["event"]), ("ai:start", "ai:token"))
        self.assertEqual((text["data"], text["at"]), ({"token": "abcdef"}, 0))
        self.assertIn("pos", text)

    def test_elsewhere(self) -> None:
        """
        The end of a stream that is not kept has the text if another process has that, also where
        only the end is known here; and no text if no process has it any more.
        """
        self.start(persist=False)
        self.append("abc")
        self.end()
        self.wait(0.1)
        streams = self.world.context.recovery._reader._streams
        found = self.successResultOf(streams.get("p", "a1"))
        known = Answer("a1", "a1", "ai-chat/7/p", Terms(), 1, isOver=True, isMirror=True)
        gone = RealtimeError("stream_unknown", "No.")
        for here in (None, known):
            self.patch(self.world.hub.sequencer.answers, "get", lambda *_, here=here: here)
            for there, text in ((succeed(found), "abc"), (fail(gone), None)):
                self.patch(streams, "get", lambda *_, there=there: there)
                [end] = self.rewind(1)
                self.assertEqual((end["event"], end["data"].get("text")), ("ai:done", text))

    def test_reused(self) -> None:
        """
        The end of a stream never has the text of a later stream with the same id on another topic.
        """
        self.start(persist=False)
        self.append("abc")
        self.end()
        self.wait(0.1)
        answers = self.world.hub.sequencer.answers
        streams = self.world.context.recovery._reader._streams
        ended = answers.get("p", "a1")
        assert ended is not None
        found = self.successResultOf(streams.get("p", "a1"))
        self.patch(ended, "topic", "secret/8/p")
        self.patch(streams, "get", lambda *_: succeed(replace(found, topic="secret/8/p")))
        for here in (ended, None):
            self.patch(answers, "get", lambda *_, here=here: here)
            [end] = self.rewind(1)
            self.assertEqual((end["event"], end["data"].get("text")), ("ai:done", None))

    def test_ended(self) -> None:
        """
        A stream that has ended counts as one frame, its end with the whole text.
        """
        self.join()
        self.say(1)
        self.start()
        self.append("abc")
        self.say(2)
        self.append("def")
        self.end()
        self.wait(0.1)
        self.say(3)
        for count in (3, 2):
            frames = self.rewind(count)
            *_, end, last = frames
            self.assertEqual(len(frames), count)
            self.assertEqual((end["event"], end["data"]["text"]), ("ai:done", "abcdef"))
            self.assertEqual(last["data"], 3)
