"""
Tests for L{aerostack.server.replacing}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.process.stopping import CLIENTS
from aerostack.server.replacing import INTERVAL, STEPS, Replacer
from aerostack.workers.channel import ChannelLost
from aerostack.workers.frames import Beat
from aerostack.workers.memory import APART, BEATS
from aerostack.workers.messages.serving import Done

MiB = 1024 * 1024


class FakeChannel:
    """
    Keeps what is asked.
    """

    def __init__(self, clock: Clock) -> None:
        self.asked: list[Any] = []
        self.answers: list[Deferred[Any]] = []
        self._clock = clock

    def ask(self, question: Any, timeout: float) -> Deferred[Any]:
        """Ask the worker."""
        answer: Deferred[Any] = Deferred()
        self.asked.append(question)
        self.answers.append(answer)
        return answer.addTimeout(timeout, self._clock)


class FakeWorker:
    """
    A worker's process.
    """

    def __init__(self, clock: Clock, name: str) -> None:
        self.name = name
        self.channel = FakeChannel(clock)
        self.last: Beat | None = None
        self.killed: list[str] = []

    def has(self, memory: int) -> None:
        """Send a heartbeat."""
        self.last = Beat(0, 0, 0.0, 0.0, memory)

    def kill(self, reason: str) -> None:
        """End the process."""
        self.killed.append(reason)


class FakeSupervisor:
    """
    Has two workers.
    """

    def __init__(self, clock: Clock) -> None:
        self.workers = {name: FakeWorker(clock, name) for name in ("worker-1", "worker-2")}
        self.isolated: list[str] = []

    def isolate(self, name: str) -> None:
        """Give a worker no further connections."""
        self.isolated.append(name)


class ReplacerTests(SynchronousTestCase):
    """
    Tests for L{Replacer}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.supervisor = FakeSupervisor(self.clock)
        self.first, self.second = self.supervisor.workers.values()
        supervisor: Any = self.supervisor
        self.replacer = Replacer(self.clock, supervisor, 100 * MiB)
        self.replacer.start()
        self.addCleanup(self.replacer.stop)

    def look(self, times: int = BEATS) -> None:
        """
        Let the replacer look so often.
        """
        self.clock.pump([INTERVAL] * times)

    def test_replaced(self) -> None:
        """
        A worker whose memory has grown gets no further connections, sends its clients away, and is
        ended.
        """
        self.first.has(150 * MiB)
        self.second.has(50 * MiB)
        self.look()
        self.assertEqual(self.supervisor.isolated, ["worker-1"])
        self.assertEqual(self.replacer.leaving, {"worker-1"})
        self.assertEqual(
            self.replacer.notice(), "worker-1 has more memory than server.worker_memory."
        )
        for number, step in enumerate(STEPS):
            self.assertEqual(self.first.channel.asked[number:], [step])
            self.assertEqual(self.first.killed, [])
            self.first.channel.answers[number].callback(Done())
        self.assertEqual(self.first.killed, ["it has 150 MiB, more than server.worker_memory"])
        self.replacer.ended("worker-1")
        self.assertEqual(self.replacer.leaving, set())
        self.assertIsNone(self.replacer.notice())
        self.assertEqual(self.second.channel.asked, [])

    def test_over(self) -> None:
        """
        A stop of the daemon can wait until a worker that is being replaced has ended.
        """
        self.successResultOf(self.replacer.whenOver())
        self.first.has(150 * MiB)
        self.look()
        over = self.replacer.whenOver()
        for number in range(len(STEPS)):
            self.first.channel.answers[number].callback(Done())
        self.assertNoResult(over)
        self.replacer.ended("worker-1")
        self.successResultOf(over)

    def test_reload(self) -> None:
        """
        A reload changes the bound.
        """
        self.first.has(50 * MiB)
        self.look()
        self.assertEqual(self.supervisor.isolated, [])
        self.replacer.reload(40 * MiB)
        self.look()
        self.assertEqual(self.supervisor.isolated, ["worker-1"])

    def test_hanging(self) -> None:
        """
        A worker that does not send its clients away is ended all the same.
        """
        self.first.has(150 * MiB)
        self.look()
        self.clock.advance(CLIENTS)
        self.assertEqual(self.first.channel.asked, [STEPS[0]])
        self.assertEqual(len(self.first.killed), 1)

    def test_dying(self) -> None:
        """
        A worker may die while it sends its clients away.
        """
        self.first.has(150 * MiB)
        self.look()
        self.first.channel.answers[0].errback(ChannelLost("gone"))
        self.assertEqual(len(self.first.killed), 1)

    def test_one(self) -> None:
        """
        While one worker is replaced, and for a while after that, no other one is; it is named.
        """
        self.first.has(150 * MiB)
        self.second.has(150 * MiB)
        self.look()
        self.assertEqual(
            self.replacer.notice(),
            "worker-1 and worker-2 have more memory than server.worker_memory.",
        )
        del self.supervisor.workers["worker-1"]
        self.replacer.ended("worker-1")
        self.look(int(APART) - 1)
        self.assertEqual(self.supervisor.isolated, ["worker-1"])
        self.look(1)
        self.assertEqual(self.supervisor.isolated, ["worker-1", "worker-2"])

    def test_stop(self) -> None:
        """
        When the daemon stops, no worker is replaced.
        """
        self.first.has(150 * MiB)
        self.replacer.stop()
        self.look()
        self.assertEqual(self.supervisor.isolated, [])

    def test_silent(self) -> None:
        """
        A worker that has sent no heartbeat yet is left alone.
        """
        self.look()
        self.assertEqual(self.supervisor.isolated, [])
