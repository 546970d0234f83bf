"""
Tests for L{aerostack.cli.input}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from queue import Queue
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli.input import Lines


class Reactor:
    """
    One that a test turns.
    """

    def __init__(self) -> None:
        self._calls: Queue[tuple[Callable[..., None], tuple[Any, ...]]] = Queue()

    def callFromThread(self, call: Callable[..., None], *args: Any) -> None:
        self._calls.put((call, args))

    def turn(self) -> None:
        """
        Wait for what a thread has to say.
        """
        call, args = self._calls.get(timeout=60)
        call(*args)


class LinesTests(SynchronousTestCase):
    """
    Tests for L{Lines}.
    """

    def test_waits(self) -> None:
        """
        Asking for a line returns at once, even if there is no line yet.
        """
        reactor = Reactor()
        output, input = os.pipe()
        self.addCleanup(os.close, output)
        lines = Lines(reactor, lambda: os.read(output, 100))
        waiting = Deferred.fromCoroutine(lines.next())
        self.assertNoResult(waiting)
        os.write(input, b"on")
        reactor.turn()
        self.assertNoResult(waiting)
        os.write(input, b"e\n")
        reactor.turn()
        self.assertEqual(self.successResultOf(waiting), b"one")
        waiting = Deferred.fromCoroutine(lines.next())
        os.close(input)
        reactor.turn()
        self.assertIsNone(self.successResultOf(waiting))

    def test_broken(self) -> None:
        """
        An input that cannot be read fails.
        """

        def read() -> bytes:
            raise OSError("It is a directory.")

        reactor = Reactor()
        waiting = Deferred.fromCoroutine(Lines(reactor, read).next())
        reactor.turn()
        self.failureResultOf(waiting, OSError)

    @given(st.lists(st.sampled_from([b"a", b"\n", b"bc\n", b"\n\n", b"d\ne"]), max_size=12))
    def test_lines(self, chunks: list[bytes]) -> None:
        """
        The lines are the same, however the input is split into pieces.
        """
        expected = b"".join(chunks).split(b"\n")
        if not expected[-1]:
            expected.pop()
        reactor = Reactor()
        left = [*chunks, b""]
        lines = Lines(reactor, lambda: left.pop(0))
        got = []
        while True:
            waiting = Deferred.fromCoroutine(lines.next())
            while not waiting.called:
                reactor.turn()
            line = self.successResultOf(waiting)
            if line is None:
                break
            got.append(line)
        self.assertEqual(got, expected)
