"""
Tests for L{aerostack.core.limits.leases}.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.leases import LEASE, Borrower, Lender, Loan
from aerostack.settings.projects import ProjectConfig


def projects(frames: float | None, size: float | None) -> Mapping[str, ProjectConfig]:
    """
    A project C{p} with these rates.
    """
    return {"p": ProjectConfig("p", framesPerSecond=frames, bytesPerSecond=size)}


class Processes:
    """
    A lender and some borrowers.  Questions and answers take a step to arrive.
    """

    def __init__(self, count: int, frames: float | None, size: float | None = None) -> None:
        self.now = 100.0
        self.lender: Lender[int] = Lender(projects(frames, size))
        self.borrowers = [Borrower(frames, size) for _ in range(count)]
        self._answers: list[tuple[int, Loan, tuple[int, ...]]] = []
        self._questions: list[tuple[int, tuple]] = []

    def send(self, at: int, size: int = 0) -> float:
        """
        Send a frame at a process.

        @return: The seconds that the client has to wait; 0 if the frame is taken.
        """
        wait = self.borrowers[at].take(self.now, size)
        self._ask(at)
        return wait

    def _ask(self, at: int) -> None:
        asked = self.borrowers[at].ask(self.now)
        if asked is not None:
            self._questions.append((at, asked))

    def carry(self, seconds: float = 0.0) -> None:
        """
        Let time pass, and then bring questions to the lender, or the lender's answers back.
        """
        self.now += seconds
        answers, self._answers = self._answers, []
        for at, loan, others in answers:
            self.borrowers[at].answered(loan, self.now)
            self._ask(at)
            for other in others:
                given = self.borrowers[other].giveBack()
                self.lender.giveBack("p", other, *given, self.now)
        for at, borrower in enumerate(self.borrowers):
            if borrower.again(self.now) == 0:
                self._ask(at)
        questions, self._questions = self._questions, []
        for at, asked in questions:
            loan, others = self.lender.lend("p", at, *asked, len(self.borrowers), self.now)
            self._answers.append((at, loan, others))

    def settle(self) -> None:
        """
        Let everything arrive.
        """
        while self._questions or self._answers:
            self.carry()


class LeaseTests(SynchronousTestCase):
    """
    Tests for lending and borrowing.
    """

    def test_alone(self) -> None:
        """
        A process that is alone gets the whole burst.
        """
        processes = Processes(1, 10.0)
        self.assertEqual(processes.send(0), 0)
        processes.settle()
        taken = sum(not processes.send(0) for _ in range(50))
        self.assertEqual(taken, 20)

    def test_first(self) -> None:
        """
        The first frame is taken before the lender has answered, however large it is.
        """
        processes = Processes(2, 10.0, 1000.0)
        self.assertEqual(processes.send(0, 1500), 0)
        processes.settle()
        self.assertGreater(processes.send(0, 600), 0)

    def test_parts(self) -> None:
        """
        While the bucket is full, each process has a part of it at hand.
        """
        processes = Processes(2, 100.0)
        for at in (0, 1):
            self.assertEqual(processes.send(at), 0)
        processes.settle()
        for at in (0, 1):
            taken = sum(not processes.send(at) for _ in range(200))
            # It may owe one lease.
            self.assertGreaterEqual(taken, 98)
            self.assertLessEqual(taken, 110)

    def test_recalled(self) -> None:
        """
        What one process does not use, the other gets when it needs it.
        """
        processes = Processes(2, 100.0)
        for at in (0, 1):
            processes.send(at)
        processes.settle()
        taken = 0
        for _ in range(12):
            taken += sum(not processes.send(0) for _ in range(200))
            processes.settle()
            processes.carry(0.01)
        self.assertGreaterEqual(taken, 195)

    def test_large(self) -> None:
        """
        A frame larger than a process's part is taken after the others have given back theirs, and
        what is missing is owed.
        """
        processes = Processes(2, None, 1000.0)
        for at in (0, 1):
            processes.send(at, 1)
        processes.settle()
        processes.carry(10)
        self.assertGreater(processes.send(0, 5000), 0)
        for _ in range(20):
            processes.settle()
            processes.carry(0.01)
        self.assertEqual(processes.send(0, 5000), 0)
        processes.settle()
        processes.carry(2.5)
        self.assertGreater(processes.send(1, 500), 0)

    def test_gone(self) -> None:
        """
        What a process had that is gone, the others get.
        """
        processes = Processes(2, 100.0)
        for at in (0, 1):
            processes.send(at)
        processes.settle()
        processes.lender.forget(1)
        taken = 0
        for _ in range(12):
            taken += sum(not processes.send(0) for _ in range(200))
            processes.settle()
            processes.carry(0.01)
        self.assertGreaterEqual(taken, 195)

    def test_reload(self) -> None:
        """
        After a reload the tokens of before are worth nothing, and giving them back adds none.
        """
        processes = Processes(2, 100.0)
        processes.send(0)
        processes.settle()
        processes.lender.reload(projects(10.0, None))
        given = processes.borrowers[0].giveBack()
        processes.lender.giveBack("p", 0, *given, processes.now)
        processes.borrowers[0] = Borrower(10.0, None)
        processes.borrowers[1] = Borrower(10.0, None)
        taken = 0
        for _ in range(10):
            for at in (0, 1):
                taken += sum(not processes.send(at) for _ in range(50))
            processes.settle()
        self.assertLessEqual(taken, 22)
        self.assertGreaterEqual(taken, 20)

    def test_unanswered(self) -> None:
        """
        A process that gets no answer asks again.
        """
        borrower = Borrower(10.0, None)
        self.assertEqual(borrower.take(1.0, 0), 0)
        self.assertIsNotNone(borrower.ask(1.0))
        self.assertIsNone(borrower.ask(1.0))
        borrower.failed(1.0)
        self.assertIsNone(borrower.ask(1.05))
        self.assertIsNotNone(borrower.ask(1.0 + LEASE))

    def test_named(self) -> None:
        """
        A refusal names the limits.
        """
        self.assertEqual(str(Borrower(2.5, 1000.0)), "2.5 frames and 1000 bytes a second")

    @given(st.integers(1, 4), st.sampled_from([1.0, 7.0, 100.0]), st.randoms(use_true_random=False))
    def test_exact(self, count: int, rate: float, random: Random) -> None:
        """
        Whatever clients send where, all processes together take what the rate allows, and one
        lease for each process more at the most.
        """
        processes = Processes(count, rate)
        begun, taken = processes.now, 0
        for _ in range(random.randint(1, 300)):
            match random.randrange(3):
                case 0:
                    processes.carry(random.choice([0, 0.001, 0.1, 1.0]))
                case _:
                    at = random.randrange(count)
                    for _ in range(random.randint(1, 20)):
                        taken += not processes.send(at)
            most = rate * (2 + processes.now - begun) + count * max(1.0, rate * LEASE)
            self.assertLessEqual(taken, most + 1e-6)

    def test_late(self) -> None:
        """
        What was spent after a pause is not made up for by the time before it.
        """
        processes = Processes(1, 10.0)
        processes.send(0)
        processes.settle()
        processes.carry(5)
        taken = 0
        for _ in range(60):
            taken += not processes.send(0)
            processes.settle()
        self.assertLessEqual(taken, 21)

    @given(st.integers(1, 4), st.sampled_from([3.0, 20.0, 100.0]))
    def test_saturated(self, count: int, rate: float) -> None:
        """
        While all clients send too much, the rate is used.
        """
        processes = Processes(count, rate)
        taken = 0
        for _ in range(2000):
            for at in range(count):
                taken += not processes.send(at)
            processes.carry(0.005)
        least = rate * 12 * 0.9 - count * max(1.0, rate * LEASE)
        self.assertGreaterEqual(taken, least)
