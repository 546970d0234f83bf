"""
Tests for L{aerostack.errors}, and for how the daemon uses its codes.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import aerostack
from aerostack import errors
from aerostack.errors import CLOSE_CODES, ERRORS, RealtimeError

SOURCE = Path(aerostack.__file__).parent


def calls(name: str) -> list[tuple[str, ast.Call]]:
    """
    Find every call of a function by its name in the source, with its place.
    """
    return [
        (f"{path.relative_to(SOURCE)}:{node.lineno}", node)
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == name)
            or (isinstance(node.func, ast.Attribute) and node.func.attr == name)
        )
    ]


def made() -> list[tuple[str, ast.Call]]:
    """
    Find every place in the source that makes an error.

    Where the processes of the daemon, or daemons, talk to each other, an error with the code of a
    message is one that the other process has made.
    """
    return [
        (place, call)
        for place, call in calls("RealtimeError")
        if not (
            place.startswith(
                ("workers/", "streams/calls.py", "streams/emittedcalls.py", "net/sse/uplink.py")
            )
            and ast.unparse(call.args[0]) in ("message.code", "self.code")
        )
    ]


class ErrorCodeTests(SynchronousTestCase):
    """
    Tests for the table of error codes.
    """

    def test_used(self) -> None:
        """
        The source uses exactly the documented error codes, and writes each code out.
        """
        used = set()
        for place, call in made():
            code = call.args[0] if call.args else None
            self.assertIsInstance(code, ast.Constant, f"{place}: write the code out")
            self.assertIn(code.value, ERRORS, place)
            used.add(code.value)
        self.assertEqual(set(ERRORS) - used, set(), "documented, but never used")

    def test_form(self) -> None:
        """
        A code is snake_case.  It has the HTTP status of an error and a meaning in whole sentences.
        """
        for code, error in ERRORS.items():
            self.assertRegex(code, r"\A[a-z]+(_[a-z]+)*\Z")
            self.assertTrue(400 <= error.http < 600, code)
            self.assertRegex(error.meaning, r"(?s)\A([A-Z]|db\.query ).*\.\Z", code)

    def test_passing(self) -> None:
        """
        An error that tells the client to try again later has an HTTP status that may pass: 409,
        429, 502 or 503.
        """
        for place, call in made():
            if len(call.args) == 3:
                self.assertIn(ERRORS[call.args[0].value].http, (409, 429, 502, 503), place)


class CloseCodeTests(SynchronousTestCase):
    """
    Tests for the table of close codes.
    """

    def test_rows(self) -> None:
        """
        Every close code has a row in the table, and no two names have the same code.
        """
        named = {
            name: value
            for name, value in vars(errors).items()
            if name.startswith("CLOSE_") and isinstance(value, int)
        }
        self.assertEqual(len(set(named.values())), len(named))
        for name, code in named.items():
            self.assertIn(code, CLOSE_CODES, name)
        for code, close in CLOSE_CODES.items():
            self.assertTrue(1000 <= code <= 1011 or 4000 <= code < 5000, code)
            self.assertRegex(close.meaning, r"(?s)\A[A-Z].*\.\Z", code)

    def test_used(self) -> None:
        """
        The source uses every close code that has a name, and writes no code as a number.
        """
        sources = {path: path.read_text() for path in SOURCE.rglob("*.py")}
        table = sources.pop(SOURCE / "errors.py")
        rest = "\n".join(sources.values())
        for name in re.findall(r"^(CLOSE_[A-Z]+) = ", table, re.M):
            if name != "CLOSE_NORMAL":
                # 1000 is answered by the WebSocket library.
                self.assertRegex(rest, rf"\b{name}\b")
        for place, call in calls("close"):
            for argument in call.args[:1]:
                self.assertFalse(
                    isinstance(argument, ast.Constant) and isinstance(argument.value, int), place
                )


class RealtimeErrorTests(SynchronousTestCase):
    """
    Tests for L{RealtimeError}.
    """

    def test_attributes(self) -> None:
        """
        The error has the code, the message and the wait of its arguments, and its text shows the
        first two.
        """
        error = RealtimeError("rate_limited", "Wait.", 50)
        self.assertEqual(
            (error.code, error.message, error.retryAfter, error.http, str(error)),
            ("rate_limited", "Wait.", 50, 429, "rate_limited: Wait."),
        )
        self.assertIsNone(RealtimeError("forbidden", "No.").retryAfter)

    def test_undocumented(self) -> None:
        """
        A code that is not in the table cannot be raised.
        """
        error = self.assertRaises(ValueError, RealtimeError, "oops", "Oops.")
        self.assertIn("oops", str(error))
