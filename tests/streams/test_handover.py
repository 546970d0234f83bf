"""
Tests for L{aerostack.streams.handover}: streams that another run of a daemon has taken over, at the
daemon that had them.
"""

from __future__ import annotations

from typing import Any

from aerostack.core.answers.checkpoints import Claim
from aerostack.core.answers.requests import Stop
from tests.streams.watching import StreamCase


class LostTests(StreamCase):
    """
    A producer goes on at a daemon that was taken for dead.
    """

    def take(self) -> None:
        """
        Take the streams over, as another daemon does.
        """
        self.successResultOf(self.world.history.answers.take(Claim("other", "r2")))

    def assertLost(self) -> None:
        """
        The stream does not run here any more, and its watchers got no end.
        """
        self.assertEqual(self.refused("x")["code"], "stream_unknown")
        self.early.take()
        self.assertEqual(self.early.ends, {})
        self.assertEqual(self.world.history.messages, [])

    def test_checkpoint(self) -> None:
        """
        The daemon learns it from its next checkpoint.  Text that watchers have not got is left to
        the producer, and what watchers have stays.
        """
        self.start()
        self.append("abc")
        self.wait(1)
        self.take()
        self.world.streams.runs.isSure = lambda: False
        self.append("lost")
        self.wait(1)
        self.world.streams.runs.isSure = lambda: True
        self.assertLost()
        self.assertEqual(self.early.texts["a1", "0"], "abc")
        late = self.join()
        self.assertEqual(late.texts["a1", "0"], "abc")

    def test_unsure(self) -> None:
        """
        A daemon that does not know whether it has been taken for dead publishes nothing, until it
        knows.
        """
        self.start()
        self.append("abc")
        self.wait(1)
        self.world.streams.runs.isSure = lambda: False
        self.append("def")
        self.wait(1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abc")
        self.world.streams.runs.isSure = lambda: True
        self.wait(1)
        self.early.take()
        self.assertEqual(self.early.texts["a1", "0"], "abcdef")

    def test_end(self) -> None:
        """
        An end is neither kept nor published: the producer is to ask elsewhere.
        """
        self.start()
        self.append("abc")
        self.wait(1)
        self.take()
        self.assertEqual(self.end(id="e")["code"], "stream_unknown")
        self.assertLost()

    def test_over(self) -> None:
        """
        The end is not kept a second time once the other daemon has kept it.
        """
        self.start()
        self.append("abc")
        self.wait(1)
        self.take()
        (record,) = self.world.history.answers.records
        self.world.history.answers.end(record)
        self.assertEqual(self.end(id="e")["code"], "stream_unknown")
        self.assertLost()

    def test_producer(self) -> None:
        """
        What tells the producer to stop is handed on, and told nothing.
        """
        lost: list[Any] = []
        self.world.streams.handover.lost = lambda answer, stopped: lost.append((answer.id, stopped))
        self.start()
        self.wait(1)
        self.take()
        self.append("abc")
        self.wait(1)
        ((stream, stopped),) = lost
        self.assertEqual(stream, "a1")
        self.assertEqual(self.producer.take(), [])
        stopped(Stop("a1", "ai-chat/7/p", 1, "cancelled"))
        self.assertEqual(self.answer()["type"], "stream_stop")

    def test_unwatched(self) -> None:
        """
        Nothing stays of a stream that nobody watches here.
        """
        self.early.client.send(type="unsubscribe", topic="ai-chat/7")
        self.start()
        self.wait(1)
        self.take()
        self.append("abc")
        self.wait(1)
        self.assertIsNone(self.world.streams.answers.get("p", "a1"))
        self.assertEqual(self.world.streams.answers.size, 0)
