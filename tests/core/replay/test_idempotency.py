"""
Tests for L{aerostack.core.replay.idempotency}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.idempotency import IdempotencyCache, fingerprint


class IdempotencyCacheTests(SynchronousTestCase):
    """
    Tests for L{IdempotencyCache}.
    """

    def setUp(self) -> None:
        self.repeats: IdempotencyCache[str] = IdempotencyCache(10.0, 3, lambda key: str(key)[0])

    def test_window(self) -> None:
        """
        An outcome is found within the window, and forgotten after it.
        """
        self.repeats.note("a", "first", 0.0)
        self.assertEqual(self.repeats.find("a", 10.0), "first")
        self.assertIsNone(self.repeats.find("b", 10.0))
        self.assertIsNone(self.repeats.find("a", 10.1))
        self.assertEqual(len(self.repeats), 0)

    def test_limit(self) -> None:
        """
        Beyond the limit the oldest outcome is forgotten.
        """
        for number in range(5):
            self.repeats.note(f"a{number}", "x", float(number))
        self.assertEqual(len(self.repeats), 3)
        self.assertIsNone(self.repeats.find("a1", 4.0))
        self.assertEqual(self.repeats.find("a2", 4.0), "x")

    def test_owners(self) -> None:
        """
        An owner with many publications does not make those of another owner forgotten.
        """
        self.repeats.note("b0", "x", 0.0)
        for number in range(5):
            self.repeats.note(f"a{number}", "x", float(number))
        self.assertEqual(len(self.repeats), 3)
        found = [self.repeats.find(key, 4.0) for key in ("b0", "a2", "a3", "a4")]
        self.assertEqual(found, ["x", None, "x", "x"])

    def test_forget(self) -> None:
        """
        A publication that failed is new when it comes again.
        """
        self.repeats.note("a", "first", 0.0)
        self.repeats.forget("a")
        self.repeats.forget("a")
        self.assertIsNone(self.repeats.find("a", 0.0))

    def test_notedAgain(self) -> None:
        """
        An outcome that is noted again is remembered from then on.
        """
        self.repeats.note("a", "first", 0.0)
        self.repeats.note("b", "other", 1.0)
        self.repeats.note("a", "second", 8.0)
        self.assertEqual(self.repeats.find("a", 15.0), "second")

    def test_clockSetBack(self) -> None:
        """
        If the clock is set back, no outcome stays beyond the limit.
        """
        self.repeats.note("old", "x", 1_000_000.0)
        for number in range(5):
            self.repeats.note(number, "x", float(number))
        self.assertEqual(len(self.repeats), 3)


class FingerprintTests(SynchronousTestCase):
    """
    Tests for L{fingerprint}.
    """

    def test_differs(self) -> None:
        """
        Another event, other data, or the same letters split otherwise have another digest.
        """
        prints = {
            fingerprint(event, data)
            for event, data in (("e", b"1"), ("e", b"2"), ("f", b"1"), ("e1", b""), ("", b"e1"))
        }
        self.assertEqual(len(prints), 5)
        self.assertEqual(fingerprint("e", b"1"), fingerprint("e", b"1"))
