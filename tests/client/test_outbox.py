"""
Tests for L{aerostack.client.outbox}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.client.errors import ClientError
from aerostack.client.outbox import Outbox


class PublicationsTests(SynchronousTestCase):
    """
    Tests for L{Outbox}.
    """

    def setUp(self) -> None:
        self.outbox = Outbox(5)

    def add(self, *ids: str) -> list[Deferred[None]]:
        return [self.outbox.add(id, id.encode()) for id in ids]

    def due(self) -> list[str]:
        return [payload.decode() for payload in iter(self.outbox.next, None)]

    def test_order(self) -> None:
        """
        Publications go out once, in their order.
        """
        self.add("b", "a", "c")
        self.assertEqual(self.due(), ["b", "a", "c"])
        self.assertEqual(self.due(), [])

    def test_answers(self) -> None:
        """
        An answer with an id ends one publication.
        """
        one, two = self.add("1", "2")
        self.due()
        self.assertTrue(self.outbox.acknowledge("2"))
        self.successResultOf(two)
        self.assertNoResult(one)
        self.assertTrue(self.outbox.refuse("1", ClientError("forbidden", "No.")))
        self.assertEqual(self.failureResultOf(one, ClientError).value.code, "forbidden")
        self.assertEqual(len(self.outbox), 0)
        for id in ("1", "never", 1, None):
            self.assertFalse(self.outbox.acknowledge(id))
            self.assertFalse(self.outbox.refuse(id, ClientError("forbidden", "No.")))
            self.assertFalse(self.outbox.postpone(id))

    def test_lost(self) -> None:
        """
        Publications without an answer go out again on the next connection, in their order, before
        new ones.
        """
        self.add("1", "2", "3")
        self.due()
        self.outbox.acknowledge("2")
        self.outbox.closed()
        self.add("4")
        self.assertEqual(self.due(), ["1", "3", "4"])

    def test_limit(self) -> None:
        """
        The outbox takes no more publications than its limit.
        """
        *_, last, more = self.add("1", "2", "3", "4", "5", "6")
        self.assertNoResult(last)
        self.assertEqual(self.failureResultOf(more, ClientError).value.code, "queue_full")
        self.due()
        self.outbox.acknowledge("1")
        (another,) = self.add("7")
        self.assertNoResult(another)
        self.assertEqual(self.due(), ["7"])

    def test_postponed(self) -> None:
        """
        A postponed publication goes out again when it is time, before later ones that have not gone
        out.
        """
        self.add("1", "2")
        self.due()
        self.assertTrue(self.outbox.postpone("1"))
        self.assertEqual(self.due(), [])
        self.add("3")
        self.outbox.again("1")
        self.outbox.again("1")
        self.outbox.again("2")
        self.outbox.again("never")
        self.assertEqual(self.due(), ["1", "3"])

    def test_tooLarge(self) -> None:
        """
        Publications that are too large fail; if the limit is not known, the largest one that is
        under way fails.
        """
        no = ClientError("too_large", "No.")
        small, large, larger = (
            self.outbox.add(id, id.encode() * size) for id, size in (("1", 5), ("2", 10), ("3", 11))
        )
        self.assertFalse(self.outbox.tooLarge(None, no))
        self.assertFalse(self.outbox.tooLarge(11, no))
        self.assertTrue(self.outbox.tooLarge(10, no))
        self.failureResultOf(larger, ClientError)
        self.assertEqual(self.outbox.next(), b"11111")
        self.assertEqual(self.outbox.only, "1")
        self.assertTrue(self.outbox.tooLarge(None, no))
        self.failureResultOf(small, ClientError)
        self.outbox.next()
        self.assertNoResult(large)

    def test_fail(self) -> None:
        """
        All publications fail when the client gives up.
        """
        waiting = self.add("1", "2")
        self.outbox.fail(ClientError("stopped", "It was stopped."))
        for each in waiting:
            self.assertEqual(self.failureResultOf(each, ClientError).value.code, "stopped")
        self.assertEqual(self.due(), [])
        self.assertEqual(len(self.outbox), 0)

    def test_cancelled(self) -> None:
        """
        Cancelling a deferred changes nothing for the daemon.
        """
        (one,) = self.add("1")
        one.addErrback(lambda failure: None)
        one.cancel()
        self.assertEqual(self.due(), ["1"])
        self.assertTrue(self.outbox.acknowledge("1"))
