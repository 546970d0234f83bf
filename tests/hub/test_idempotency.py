"""
Tests for L{aerostack.hub.idempotency}.
"""

from __future__ import annotations

from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.idempotency import fingerprint
from aerostack.core.replay.publications import CHAT_MESSAGE, EVENT, Message, Receipt
from aerostack.errors import RealtimeError
from aerostack.hub.idempotency import Outcome, endKey, keyOf, makeRepeatKey, ownerOf

TOPIC = "chat/7/p"


def makeMessage(kind: int, data: bytes, publishId: str | None = "1") -> Message:
    """
    A message that C{ann} has published.
    """
    return Message("m1", TOPIC, kind, "message", data, "ann", 1, publishId)


class KeyTests(SynchronousTestCase):
    """
    Tests for how publications are known that come again.
    """

    def test_event(self) -> None:
        """
        An event that was kept is known by its topic, its user, its id and its data.
        """
        key = keyOf(makeMessage(EVENT, b"1"))
        expected = TOPIC, makeRepeatKey("ann", "1"), fingerprint("message", b"1"), True
        self.assertEqual(key, expected)
        self.assertEqual(ownerOf(key), "p")
        self.assertIsNone(keyOf(makeMessage(EVENT, b"1", None)))

    def test_chat(self) -> None:
        """
        The id that the daemon gave a chat message does not count; a message without a text, which
        another program wrote, cannot come again.
        """
        first, again = (
            keyOf(makeMessage(CHAT_MESSAGE, b'{"id":"%s","text":"a","metadata":null}' % each))
            for each in (b"m1", b"m2")
        )
        self.assertEqual(first, again)
        other = keyOf(makeMessage(CHAT_MESSAGE, b'{"id":"m1","text":"b","metadata":null}'))
        self.assertNotEqual(first, other)
        self.assertIsNone(keyOf(makeMessage(CHAT_MESSAGE, b"[]")))

    def test_end(self) -> None:
        """
        The end of a stream is not that of another stream that had its id before.
        """
        self.assertEqual(endKey(TOPIC, "a1", 1), endKey(TOPIC, "a1", 1))
        self.assertNotEqual(endKey(TOPIC, "a1", 1), endKey(TOPIC, "a1", 2))
        self.assertEqual(ownerOf(endKey(TOPIC, "a1", 1)), "p")


class OutcomeTests(SynchronousTestCase):
    """
    Tests for the result of a publication.
    """

    def test_everyone(self) -> None:
        """
        Those who ask before and after the result is known get the same.
        """
        outcome, receipt = Outcome(), Receipt("m1", 1)
        waiting = [outcome.wait(), outcome.wait()]
        self.assertIs(outcome.settle(receipt), receipt)
        for each in (*waiting, outcome.wait()):
            self.assertIs(self.successResultOf(each), receipt)

    def test_failed(self) -> None:
        """
        Everyone gets the error of a publication that failed.
        """
        outcome = Outcome()
        waiting = outcome.wait()
        outcome.settle(Failure(RealtimeError("database_unavailable", "It is gone.")))
        for each in (waiting, outcome.wait()):
            self.failureResultOf(each, RealtimeError)
