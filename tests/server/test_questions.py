"""
Tests for L{aerostack.server.questions} and L{aerostack.server.departing}.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from aerostack.process.stopping import DATABASE
from aerostack.server.departing import depart
from aerostack.server.questions import WorkerQuestions
from aerostack.workers.messages.serving import Clients, Done, Finish, Refuse, SendAway


class FakeWorker:
    """
    A worker that answers, or hangs.

    @ivar asked: What it was asked.
    @ivar killed: Why it was killed.
    """

    def __init__(self, count: int | None, hangs: tuple[type, ...] = ()) -> None:
        """
        @param count: How many clients it has.
        @param hangs: The questions that it does not answer in time.
        """
        self.asked: list[Any] = []
        self.killed: list[str] = []
        self.channel = self
        self._count = count
        self._hangs = hangs

    def ask(self, question: Any, timeout: float) -> Deferred[Any]:
        """
        Ask the worker.
        """
        self.asked.append(question)
        if type(question) in self._hangs:
            return fail(TimeoutError("no answer"))
        return succeed(Clients(self._count or 0) if isinstance(question, Refuse) else Done())

    def kill(self, reason: str) -> None:
        """
        End the process.
        """
        self.killed.append(reason)


class FakeSupervisor:
    """
    Has workers.
    """

    def __init__(self, **workers: FakeWorker) -> None:
        self.workers = workers
        self.isRetired = False

    def retire(self) -> None:
        """
        Start no workers any more.
        """
        self.isRetired = True


class FakePassing:
    """
    Notes which addresses stop.
    """

    def __init__(self) -> None:
        self.stopped: list[bool] = []

    def stop(self, inherited: bool) -> Deferred[Any]:
        """
        Give up addresses.
        """
        self.stopped.append(inherited)
        return succeed(None)


class AskTests(SynchronousTestCase):
    """
    Tests for L{WorkerQuestions.ask}.
    """

    def test_silent(self) -> None:
        """
        The answer of a worker that did not answer is L{None}, and the log names the worker.
        """
        supervisor: Any = FakeSupervisor(a=FakeWorker(1), b=FakeWorker(2, (Refuse,)))
        with capturedLogs() as logged:
            asking = WorkerQuestions(supervisor).ask(lambda name: Refuse(), 1.0)
        self.assertEqual(self.successResultOf(asking), {"a": Clients(1), "b": None})
        self.assertEqual([event["worker"] for event in logged if "worker" in event], ["b"])

    def test_among(self) -> None:
        """
        Only the workers that run are asked, of those that are named.
        """
        workers = {"a": FakeWorker(1), "b": FakeWorker(2)}
        supervisor: Any = FakeSupervisor(**workers)
        asking = WorkerQuestions(supervisor).ask(lambda name: Refuse(), 1.0, {"b", "c"})
        self.assertEqual(self.successResultOf(asking), {"b": Clients(2)})
        self.assertEqual(workers["a"].asked, [])


class DepartTests(SynchronousTestCase):
    """
    Tests for L{depart}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        # Fires when no worker is being replaced.
        self.over: Deferred[None] = Deferred()

    def depart(self, workers: dict[str, FakeWorker], leaving: tuple[str, ...] = ()) -> FakePassing:
        """
        Stop workers.

        @param leaving: The workers that are being replaced.
        """
        supervisor: Any = FakeSupervisor(**workers)
        passing: Any = FakePassing()
        replacer: Any = SimpleNamespace(
            leaving=set(leaving), stop=lambda: None, whenOver=lambda: self.over
        )
        self.departing = depart(
            self.clock, supervisor, replacer, passing, WorkerQuestions(supervisor)
        )
        self.assertTrue(supervisor.isRetired)
        self.supervisor = supervisor
        found: FakePassing = passing
        return found

    def test_counted(self) -> None:
        """
        Each worker learns how many clients the others send away meanwhile, and none is killed.
        """
        workers = {"a": FakeWorker(3), "b": FakeWorker(4)}
        self.over.callback(None)
        passing = self.depart(workers)
        self.successResultOf(self.departing)
        self.assertEqual(workers["a"].asked, [Refuse(), SendAway(4), Finish()])
        self.assertEqual(workers["b"].asked, [Refuse(), SendAway(3), Finish()])
        self.assertEqual([each.killed for each in workers.values()], [[], []])
        self.assertEqual(passing.stopped, [True, False])

    def test_hung(self) -> None:
        """
        A worker that has hung is not asked to finish, and is killed.
        """
        hung = FakeWorker(None, (Refuse, SendAway))
        self.over.callback(None)
        self.depart({"a": FakeWorker(3), "b": hung})
        self.assertEqual(hung.asked, [Refuse(), SendAway(3)])
        self.assertEqual(hung.killed, ["it did not answer"])

    def test_slow(self) -> None:
        """
        A worker that has counted its clients, and needs too long for them, still finishes.
        """
        slow = FakeWorker(2, (SendAway,))
        self.over.callback(None)
        self.depart({"a": slow})
        self.assertEqual(slow.asked, [Refuse(), SendAway(0), Finish()])
        self.assertEqual(slow.killed, [])

    def test_replaced(self) -> None:
        """
        A worker that is being replaced sends its clients away already, so the stop waits for it.
        """
        workers = {"a": FakeWorker(3), "b": FakeWorker(5)}
        self.depart(workers, ("b",))
        self.assertNoResult(self.departing)
        replaced = self.supervisor.workers.pop("b")
        self.over.callback(None)
        self.successResultOf(self.departing)
        self.assertEqual((replaced.asked, replaced.killed), ([], []))

    def test_hungReplaced(self) -> None:
        """
        A worker that is being replaced and does not end is killed when its time is over.
        """
        replaced = FakeWorker(5)
        self.depart({"b": replaced}, ("b",))
        self.clock.advance(DATABASE)
        self.successResultOf(self.departing)
        self.assertEqual(replaced.killed, ["it did not answer"])
