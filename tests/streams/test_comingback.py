"""
Tests for watchers of token streams that come back after a restart of the daemon.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from aerostack.recovery import replay
from tests.streams.test_checkpointing import RestartCase
from tests.streams.watching import TOPIC, StreamCase, Watcher


class ComingBackTests(RestartCase):
    """
    Tests for a watcher that was away when the daemon was started again, and has a position from
    before.
    """

    def setUp(self) -> None:
        super().setUp()
        self.start(producer="run")
        self.append("abc")
        self.wait(1)
        self.append("lost")
        self.early.take()
        assert self.early.position is not None
        self.position = self.early.position

    def comeBack(self) -> list[dict[str, Any]]:
        """
        Let the watcher come back.

        @return: The frames that it gets behind the answer.
        """
        answer, *frames = self.early.subscribe(self.position)
        self.assertEqual((answer["recovered"], answer["keptOnly"]), (True, True))
        return frames

    def endMeanwhile(self, **fields: Any) -> None:
        """
        Let the stream end before the watcher is back, while another one watches.
        """
        self.restart()
        self.other = self.join()
        self.start(producer="run", **fields)
        self.append("def", at=3)
        self.wait(1)
        self.append("ghi", at=6)
        self.end()

    def assertWhole(self, frames: list[dict[str, Any]]) -> None:
        """
        Assert that the stream came with its end, and not in pieces.
        """
        (end,) = [frame for frame in frames if frame["event"] != "ai:start"]
        self.assertEqual((end["event"], end["stream"], end["state"]), ("ai:done", "a1", "done"))
        self.assertEqual((end["data"]["text"], end["data"]["kept"]), ("abcdefghi", True))

    def test_ended(self) -> None:
        """
        A stream that has ended meanwhile comes with its whole text.
        """
        self.endMeanwhile()
        self.assertWhole(self.comeBack())

    def test_released(self) -> None:
        """
        A stream that the daemon has in memory no longer comes from the history.
        """
        self.endMeanwhile()
        self.world.clock.pump([100] * 4)
        for _ in self.world.hub.sequencer.expire():
            pass
        self.assertIsNone(self.world.hub.sequencer.answers.get("p", "a1"))
        (end,) = [frame for frame in self.comeBack() if frame["event"] == "ai:done"]
        self.assertEqual((end["stream"], end["data"]["text"]), ("a1", "abcdefghi"))

    def test_stored(self) -> None:
        """
        An end that is in the history only belongs to its stream, and has its text.
        """
        self.endMeanwhile()
        self.restart()
        (end,) = self.comeBack()
        self.assertEqual((end["event"], end["stream"], end["state"]), ("ai:done", "a1", "done"))
        self.assertEqual(end["data"]["text"], "abcdefghi")

    def test_cancelled(self) -> None:
        """
        A stream that was cancelled meanwhile comes with its text until then.
        """
        self.restart()
        self.other = self.join()
        self.start(producer="run")
        self.append("def", at=3)
        self.producer.send(type="stream_cancel", topic=TOPIC, stream="a1", id="c")
        end = self.comeBack()[-1]
        self.assertEqual((end["state"], end["data"]["text"]), ("cancelled", "abcdef"))

    def test_meanwhile(self) -> None:
        """
        What is published while the daemon reads the history for the watcher is not lost, and the
        text goes on where it was.
        """
        self.producer.ask(type="publish", topic=TOPIC, event="hi", data=1, persist=True)
        self.restart()
        self.world.history.reading = reading = []
        self.start(producer="run")
        self.early.subscribe(self.position)
        self.producer.send(type="publish", topic=TOPIC, event="hi", data=2)
        self.append("def", at=3)
        self.wait(1)
        self.world.history.reading = None
        for each in reading:
            each()
        self.wait(1)
        self.early.take()
        self.assertEqual(self.early.events[-5:], ["hi", "ai:start", "ai:token", "hi", "ai:token"])
        self.assertEqual(self.early.texts["a1", "0"], "abcdef")

    def test_endsMeanwhile(self) -> None:
        """
        A stream that ends while the daemon reads the history for the watcher is whole.
        """
        self.producer.ask(type="publish", topic=TOPIC, event="hi", data=1, persist=True)
        self.restart()
        self.world.history.reading = reading = []
        self.start(producer="run")
        self.early.subscribe(self.position)
        self.append("def", at=3)
        self.world.history.reading = None
        self.end()
        for each in reading:
            each()
        self.wait(1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abcdef")
        self.assertEqual(self.early.ends["a1"]["state"], "done")


class FillingTests(StreamCase):
    """
    Tests for a watcher that comes back to a process which has yet to get the beginning of the log.
    """

    def test_once(self) -> None:
        """
        What comes while the process gets the log reaches the watcher once.
        """
        self.patch(replay, "AT_ONCE", 0)
        self.start()
        self.append("abc")
        self.early.take()
        position = self.early.position
        self.early.client.die()
        self.append("def")
        self.wait(1)
        filling: Deferred[None] = Deferred()
        self.patch(self.world.hub.source, "fill", lambda topic: filling)
        watcher = Watcher(self.world.connect(userId="early"))
        watcher.subscribe(position)
        self.append("ghi")
        self.wait(1)
        self.end()
        self.assertEqual(watcher.take(), [])
        filling.callback(None)
        self.wait(1)
        watcher.texts["a1", "0"] = "abc"
        answer, *frames = watcher.take()
        self.assertTrue(answer["recovered"])
        self.assertEqual([frame["event"] for frame in frames], ["ai:token", "ai:done"])
        self.assertEqual(watcher.texts["a1", "0"], "abcdefghi")
