"""
Tests for L{aerostack.cli.emit}.
"""

from __future__ import annotations

import argparse
import io
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli.emit import _emitLines
from aerostack.cli.output import Output
from aerostack.client.errors import ClientError


class Socket:
    """
    Stands for the daemon.

    @ivar calls: The data of each request.
    @ivar most: How many events a body has room for.
    """

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.most = 100

    def emitAll(self, events: list[dict[str, Any]]) -> Any:
        """
        Refuse text, and take numbers.
        """
        if len(events) > self.most:
            raise ClientError("too_large", "The body is too large.")
        self.calls.append([each["data"] for each in events])
        refused = {"success": False, "error": "too_large", "message": "An event is too large."}
        results = [{"success": True} if each != "x" else refused for each in self.calls[-1]]
        return {"success": "x" not in self.calls[-1], "results": results}

    def emit(self, event: str, data: Any, topic: str, **options: Any) -> Any:
        """
        Take one event, or refuse it.
        """
        self.calls.append([data])
        if data == "x":
            raise ClientError("rate_limited", "Too many.", 500)
        return {"success": True}


class EmitLinesTests(SynchronousTestCase):
    """
    Tests for how the events of lines are sent.
    """

    def setUp(self) -> None:
        self.socket = Socket()
        self.said = io.StringIO()
        self.patch(sys, "stderr", self.said)
        self.written = io.StringIO()

    def emit(self, *data: Any) -> None:
        """
        Send the events for lines, of which the first has number 5.
        """
        options = argparse.Namespace(
            event="e", topic="chat/a", persist=False, user=None, state_key=None
        )
        sdk: Any = argparse.Namespace(socket=self.socket)
        group = list(enumerate(data, 5))
        _emitLines(options, Output(True, self.written), sdk, group)

    def test_refused(self) -> None:
        """
        Each refused line is named, and each sent one has its answer.
        """
        error = self.assertRaises(ClientError, self.emit, 1, "x", 2, "x", 3)
        self.assertEqual(
            (error.code, error.message), ("too_large", "line 8: An event is too large.")
        )
        self.assertIn("line 6: An event is too large.", self.said.getvalue())
        self.assertEqual(self.written.getvalue(), '{"success": true}\n' * 3)

    def test_single(self) -> None:
        """
        A line that comes alone is no list; its refusal names it, and keeps its time.
        """
        error = self.assertRaises(ClientError, self.emit, "x")
        self.assertEqual(error.message, "line 5: Too many.")
        self.assertEqual((error.code, error.retryAfter), ("rate_limited", 500))

    def test_smallBodies(self) -> None:
        """
        If the daemon does not take so large a body, the lines go in several, in their order.
        """
        self.socket.most = 2
        self.emit(1, 2, 3, 4, 5)
        self.assertEqual(self.socket.calls, [[1, 2], [3], [4, 5]])
