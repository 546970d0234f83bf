"""
Tests for L{aerostack.cli.disconnect}.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import disconnect, main
from aerostack.cli.disconnect import describe

ANSWER = {"success": True, "connections": 2, "nodes": {"a": 2}, "unconfirmed": []}


class DisconnectTests(SynchronousTestCase):
    """
    Tests for the command C{disconnect}.

    @ivar calls: What the command asked of the daemon.
    """

    def setUp(self) -> None:
        self.answer: dict[str, Any] = ANSWER
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.patch(disconnect, "reach", self.reach)

    def reach(self, options: object, secret: bool = False) -> Any:
        self.assertTrue(secret)
        return self

    @contextmanager
    def sdk(self, timeout: float) -> Iterator[Any]:
        yield self

    @property
    def user(self) -> Any:
        return self

    def disconnect(self, userId: str, **options: Any) -> Any:
        self.calls.append(("disconnect", userId, options))
        return self.answer

    def revoke(self, userId: str, **options: Any) -> Any:
        self.calls.append(("revoke", userId, options))
        return self.answer

    def execute(self, *arguments: str) -> tuple[int, str, str]:
        """
        Run the command.

        @return: The exit status, and what it wrote.
        """
        output, errors = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", output)
        self.patch(sys, "stderr", errors)
        return main(["disconnect", *arguments]), output.getvalue(), errors.getvalue()

    def test_asks(self) -> None:
        """
        The command asks for what its options say; a revocation lasts an hour if they do not.
        """
        for arguments, call in (
            ((), ("disconnect", {"reason": ""})),
            (("--reason", "spam"), ("disconnect", {"reason": "spam"})),
            (("--revoke",), ("revoke", {"reason": "", "seconds": 3600})),
            (("--revoke", "--for", "2d"), ("revoke", {"reason": "", "seconds": 172_800})),
        ):
            status, output, errors = self.execute("ann", *arguments)
            self.assertEqual((status, json.loads(output), errors), (0, ANSWER, ""))
            self.assertEqual(self.calls.pop(), (call[0], "ann", call[1]))

    def test_unconfirmed(self) -> None:
        """
        The command fails if a node has not confirmed, and names it after the answer.
        """
        self.answer = {**ANSWER, "unconfirmed": ["b", "c"]}
        status, output, errors = self.execute("ann")
        self.assertEqual((status, json.loads(output)), (1, self.answer))
        self.assertIn("have not confirmed: b, c; run", errors)

    def test_forWithoutRevoke(self) -> None:
        """
        A time without C{--revoke} is a mistake, and nothing is asked of the daemon.
        """
        status, _, errors = self.execute("ann", "--for", "1h")
        self.assertEqual((status, self.calls), (1, []))
        self.assertIn("--for is for --revoke", errors)

    def test_described(self) -> None:
        """
        For a person the answer is one line without control characters.
        """
        self.assertEqual(describe("ann", ANSWER), "closed 2 connections of ann")
        one = {**ANSWER, "connections": 1}
        self.assertEqual(describe("a\x1bb", one), "closed 1 connection of a\\u001bb")
        self.assertRegex(
            describe("ann", {**one, "until": 1_700_000_000_000}),
            r"^closed 1 connection of ann; tokens from before are refused until 2023-11-1\d \d\d:",
        )
