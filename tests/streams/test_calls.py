"""
Tests for L{aerostack.streams.calls}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.requests import Append, Put, Stop
from aerostack.errors import RealtimeError
from aerostack.streams.calls import (
    AppendCall,
    Reply,
    StopCall,
    WrittenOperation,
    decodeCall,
    decodeReply,
    encode,
)


class CallTests(SynchronousTestCase):
    """
    Tests for what nodes send each other.
    """

    def test_operations(self) -> None:
        """
        Texts and values come as they were sent.
        """
        written = [
            WrittenOperation("0", "text", 3, "lo", None, 1),
            WrittenOperation("d", "data", value={"v": b"1"}),
        ]
        call = decodeCall(encode(AppendCall("p", "a1", 2, written)))
        assert isinstance(call, AppendCall)
        self.assertEqual(
            [each.operation for each in call.operations],
            [Append("0", "text", 3, "lo", 1), Put("d", "data", {"v": b"1"})],
        )

    def test_stop(self) -> None:
        """
        The producer gets the same stop at another node.
        """
        call = decodeCall(encode(StopCall("a1", "ai-chat/7/p", 2, "aborted", "ann", "lease")))
        assert isinstance(call, StopCall)
        self.assertEqual(call.stop, Stop("a1", "ai-chat/7/p", 2, "aborted", "ann", "lease"))

    def test_refused(self) -> None:
        """
        A refusal is the same error at the node that has asked.
        """
        details = {"stream": "a1", "length": {"0": 3}}
        reply = decodeReply(encode(Reply(b"", "stream_gap", "Go on.", 1000, details)))
        error = self.assertRaises(RealtimeError, reply.raiseError)
        self.assertEqual(
            (error.code, error.message, error.retryAfter, error.details),
            ("stream_gap", "Go on.", 1000, details),
        )
