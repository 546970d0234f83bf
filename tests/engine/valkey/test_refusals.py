"""
Tests for L{aerostack.engine.valkey.refusals}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.engine.valkey.errors import Backlogged, NotConnected, ReplyError, Unanswered
from aerostack.engine.valkey.refusals import errorOf, passes
from aerostack.errors import RealtimeError


class RefusalTests(SynchronousTestCase):
    """
    Tests for L{passes} and L{errorOf}.
    """

    def test_passes(self) -> None:
        """
        What was not sent, was not answered, or was refused for now is sent again; nothing else is.
        """
        for error in (
            NotConnected("x"),
            Unanswered("x"),
            Backlogged("x"),
            ReplyError("LOADING the data is being loaded"),
            ReplyError("READONLY it is a replica"),
        ):
            self.assertTrue(passes(error), error)
        for text in ("OOM command not allowed", "ERR wrong", "NOPERM no", "WRONGTYPE it is a list"):
            self.assertFalse(passes(ReplyError(text)), text)

    def test_full(self) -> None:
        """
        A server without memory is named, also where the server wraps the answer of a script's
        command.
        """
        plain = "OOM command not allowed when used memory > 'maxmemory'."
        wrapped = f"ERR Error running script (call to f_1): @user_script:1: -{plain}"
        for text in (plain, wrapped):
            error = errorOf(ReplyError(text))
            self.assertEqual((error.code, error.retryAfter), ("engine_full", 1000))

    def test_others(self) -> None:
        """
        Every other error of the server is one that passes for clients; the history's is its own.
        """
        self.assertEqual(errorOf(ReplyError("NOPERM no")).code, "engine_unavailable")
        self.assertEqual(errorOf(NotConnected("x")).code, "engine_unavailable")
        own = RealtimeError("database_unavailable", "It does not answer.")
        self.assertIs(errorOf(own), own)
