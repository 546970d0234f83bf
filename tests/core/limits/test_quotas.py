"""
Tests for L{aerostack.core.limits.quotas}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.quotas import RETRY_AFTER, Quotas, UsageCounts
from aerostack.errors import RealtimeError
from aerostack.settings.projects import ProjectConfig


def quotas(perAddress: int | None = None, **limits: Any) -> Quotas:
    """
    Two projects: C{p} with some limits, C{q} with none.
    """
    return Quotas({"p": ProjectConfig("p", **limits), "q": ProjectConfig("q")}, perAddress)


class CountsTests(SynchronousTestCase):
    """
    Tests for L{UsageCounts}.
    """

    @given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc"))))
    def test_counts(self, steps: list[tuple[bool, str]]) -> None:
        """
        A count that comes to zero is forgotten.
        """
        counts, expected = UsageCounts(), Counter[str]()
        for add, key in steps:
            if add:
                counts.add(key)
                expected[key] += 1
            elif expected[key]:
                counts.remove(key)
                expected[key] -= 1
        self.assertEqual({key: counts[key] for key in "abc"}, {key: expected[key] for key in "abc"})
        self.assertEqual(len(counts), len(+expected))


class QuotasTests(SynchronousTestCase):
    """
    Tests for L{Quotas}.
    """

    def refusal(self, check: Callable[..., object], *arguments: Any) -> RealtimeError:
        """
        Give the error of a refusal.
        """
        error: RealtimeError = self.assertRaises(RealtimeError, check, *arguments)
        return error

    def test_project(self) -> None:
        """
        A project has a bounded number of connections, which does not affect other projects.
        """
        books = quotas(connections=2)
        for _ in range(2):
            books.checkProject("p")
            books.connections.add("p")
        error = self.refusal(books.checkProject, "p")
        self.assertEqual((error.code, error.retryAfter), ("too_many_connections", RETRY_AFTER))
        self.assertIn("project p", error.message)
        for _ in range(10):
            books.checkProject("q")
            books.connections.add("q")
        books.connections.remove("p")
        books.checkProject("p")

    def test_address(self) -> None:
        """
        An address has a bounded number of connections over all projects; connections without an
        address are not counted.
        """
        books = quotas(2)
        books.connections.add("p")
        books.addresses.add("192.0.2.1")
        books.connections.add("q")
        books.addresses.add("192.0.2.1")
        error = self.refusal(books.checkAddress, "192.0.2.1")
        self.assertEqual((error.code, error.retryAfter), ("too_many_connections", RETRY_AFTER))
        books.checkAddress("192.0.2.2")
        for _ in range(10):
            books.checkAddress(None)
            books.connections.add("p")
        books.connections.remove("q")
        books.addresses.remove("192.0.2.1")
        books.checkAddress("192.0.2.1")

    def test_subscriptions(self) -> None:
        """
        A project has a bounded number of subscriptions.
        """
        books = quotas(subscriptions=1)
        books.checkSubscriptions("p")
        books.subscriptions.add("p")
        error = self.refusal(books.checkSubscriptions, "p")
        self.assertEqual((error.code, error.retryAfter), ("too_many_subscriptions", RETRY_AFTER))
        books.checkSubscriptions("q")
        books.subscriptions.remove("p")
        books.checkSubscriptions("p")

    def test_frames(self) -> None:
        """
        A project may send two seconds' worth of frames at once, and then frames at its rate.  The
        refusal says how long to wait.  Other projects are not affected.
        """
        books = quotas(framesPerSecond=10.0)
        for _ in range(20):
            books.spend("p", 1000, 0)
        error = self.refusal(books.spend, "p", 0, 0.0)
        self.assertEqual((error.code, error.retryAfter), ("rate_limited", 100))
        self.assertIn("project p together may send 10 frames a second", error.message)
        for _ in range(1000):
            books.spend("q", 1000, 0)
        books.spend("p", 0, 0.1)
        self.refusal(books.spend, "p", 0, 0.1)

    def test_slow(self) -> None:
        """
        A rate below one frame a second lets one frame through all the same.
        """
        books = quotas(framesPerSecond=0.1)
        books.spend("p", 0, 0)
        self.assertEqual(self.refusal(books.spend, "p", 0, 0.0).retryAfter, 10_000)

    def test_bytes(self) -> None:
        """
        Bytes are limited in the same way.
        """
        books = quotas(bytesPerSecond=1000)
        books.spend("p", 1900, 0)
        self.assertEqual(self.refusal(books.spend, "p", 200, 0.0).retryAfter, 100)
        books.spend("p", 200, 0.1)

    @given(
        st.floats(0.1, 100),
        st.integers(1024, 100_000),
        st.lists(st.tuples(st.floats(0, 3), st.sampled_from("pq"), st.integers(0, 50_000))),
    )
    def test_bound(self, frames: float, size: int, sends: list[tuple[float, str, int]]) -> None:
        """
        No project sends more than its rates and its burst allow, at any time.
        """
        limited = ProjectConfig("x", framesPerSecond=frames, bytesPerSecond=size)
        books = Quotas({"p": limited, "q": limited}, None)
        now, sent = 0.0, {"p": [0], "q": [0]}
        for pause, project, amount in sends:
            now += pause
            try:
                books.spend(project, amount, now)
            except RealtimeError as error:
                assert error.retryAfter is not None
                self.assertGreater(error.retryAfter, 0)
                continue
            sent[project].append(amount)
            self.assertLessEqual(len(sent[project]) - 1, max(1, 2 * frames) + frames * now + 1e-6)
            self.assertLessEqual(
                sum(sent[project]), max(2 * size, *sent[project]) + size * now + 1e-6
            )

    def test_load(self) -> None:
        """
        New limits hold at once, also for connections and subscriptions that exist.
        """
        books = quotas(connections=5, framesPerSecond=1.0)
        for _ in range(3):
            books.connections.add("p")
            books.addresses.add("192.0.2.1")
        books.spend("p", 0, 0)
        books.spend("p", 0, 0)
        self.refusal(books.spend, "p", 0, 0.0)
        books.reload({"p": ProjectConfig("p", connections=2)}, 1)
        self.refusal(books.checkProject, "p")
        self.refusal(books.checkAddress, "192.0.2.1")
        for _ in range(100):
            books.spend("p", 0, 0)

    def test_removed(self) -> None:
        """
        The connections of a project that is taken out of the configuration go on, and leave nothing
        behind.
        """
        books = quotas(subscriptions=1, framesPerSecond=1.0)
        books.connections.add("p")
        books.addresses.add("192.0.2.1")
        books.subscriptions.add("p")
        books.reload({}, None)
        for _ in range(10):
            books.spend("p", 0, 0)
        books.checkSubscriptions("p")
        books.subscriptions.remove("p")
        books.connections.remove("p")
        books.addresses.remove("192.0.2.1")
        self.assertEqual(
            [len(books.connections), len(books.addresses), len(books.subscriptions)], [0, 0, 0]
        )
