"""
Tests for L{aerostack.streams.ticking}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.answer import Answer, Terms
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
            lambda answer, mayWait: self.published.append(answer),
            lambda topic: True,
            lambda topics, call: False,
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
