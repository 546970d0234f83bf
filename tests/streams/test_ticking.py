"""
Tests for L{aerostack.streams.ticking}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.pace import LEAST, pause
from aerostack.streams.ticking import Ticker


class TickerTests(SynchronousTestCase):
    """
    Tests for L{Ticker}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.published: list[Answer] = []
        self.ticker = Ticker(
            self.clock,
            lambda answers, mayWait: self.published.extend(answers),
            lambda topic: True,
            lambda topics, call: call(),
        )
        self.answer = Answer("a1", "r1", "ai-chat/7/p", Terms(), 0)

    def test_ticks(self) -> None:
        """
        What has grown is published with the next tick, and where nothing grows there are no ticks.
        """
        for times in (1, 2):
            self.ticker.grown(self.answer)
            self.clock.advance(1)
            self.assertEqual(self.published, [self.answer] * times)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """
        After a stop there are no ticks, whatever grows.
        """
        self.ticker.grown(self.answer)
        self.ticker.stop()
        self.ticker.grown(self.answer)
        self.ticker.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.published, [])


class WrittenTests(SynchronousTestCase):
    """
    Tests for L{Ticker} where connections write at the end of the turn.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.published: list[Answer] = []
        self.writing = 0.05
        self.atEnd: Callable[[], object] = self.write
        self.ticker = Ticker(self.clock, self.publish, lambda topic: True, self.whenSent)
        self.answer = Answer("a1", "r1", "ai-chat/7/p", Terms(), 0)

    def publish(self, answers: Sequence[Answer], mayWait: bool) -> None:
        """
        Have something happen at the end of the turn.
        """
        self.published.extend(answers)
        self.clock.callLater(0, self.atEnd)

    def write(self) -> None:
        """
        Let the time pass that system calls take.
        """
        self.clock.rightNow += self.writing

    def whenSent(self, topics: Iterable[str], call: Callable[[], object]) -> None:
        """
        Give frames to connections at once.
        """
        call()

    def test_written(self) -> None:
        """
        A tick takes until the connections have written, and the next one comes the later for it.
        """
        self.ticker.grown(self.answer)
        self.clock.advance(0)
        self.assertAlmostEqual(self.ticker.took.total, self.writing)
        self.ticker.grown(self.answer)
        self.clock.advance(LEAST)
        self.assertEqual(len(self.published), 1)
        self.clock.advance(pause(self.writing) - LEAST - self.writing)
        self.assertEqual(len(self.published), 2)

    def test_stop(self) -> None:
        """
        After a stop while connections are to write, the ticker waits for nothing.
        """

        def stop() -> None:
            self.write()
            self.ticker.stop()

        self.atEnd = stop
        self.ticker.grown(self.answer)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.ticker.took.total, 0)
