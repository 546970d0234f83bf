"""
Two ends of a channel in one process.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from aerostack.workers.channel import Channel
from aerostack.workers.frames import Codec
from aerostack.workers.pipe import Pipe
from tests.workers.samples import KINDS

PATIENCE = 60.0
"""Seconds after which a condition that a test waits for will not become true."""


class Notebook:
    """
    Writes down what comes over a channel.
    """

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.reasons: list[Failure] = []
        self.answer: Callable[[Any], Any] = lambda question: question
        self.handle: Callable[[Any], None] = self.messages.append

    def received(self, message: Any) -> None:
        self.handle(message)

    def asked(self, question: Any) -> Any:
        return self.answer(question)

    def lost(self, reason: Failure) -> None:
        self.reasons.append(reason)


async def until(condition: Callable[[], object]) -> None:
    """
    Wait for a condition.

    @raise AssertionError: It did not become true.
    """
    clock: Any = reactor
    end = clock.seconds() + PATIENCE
    while not condition():
        if clock.seconds() > end:
            raise AssertionError("the condition did not become true")
        await deferLater(clock, 0.005)


class EndsTestCase(TestCase):
    """
    Tests with two ends of a channel.
    """

    def connect(self, **options: Any) -> tuple[Channel, Notebook, Channel, Notebook]:
        """
        @param options: What the second end gets beside its socket.
        @return: Each end and what it receives.  Neither was started.
        """
        a, b = socket.socketpair()
        notes = Notebook(), Notebook()
        codec = Codec(KINDS)
        first = Channel(reactor, Pipe(reactor, a), codec, notes[0])
        second = Channel(reactor, Pipe(reactor, b), codec, notes[1], **options)
        self.addCleanup(self.end, second, notes[1])
        self.addCleanup(self.end, first, notes[0])
        return first, notes[0], second, notes[1]

    def end(self, channel: Channel, notes: Notebook) -> Deferred[None]:
        """
        Close an end, and wait until it has noted the end.
        """
        channel.close()
        return Deferred.fromCoroutine(until(lambda: notes.reasons))
