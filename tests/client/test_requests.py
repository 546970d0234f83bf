"""
Tests for L{aerostack.client.requests}.
"""

from __future__ import annotations

import ast
import math
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import aerostack
from aerostack.client.address import Address
from aerostack.client.errors import ClientError
from aerostack.client.requests import (
    health,
    history,
    readAnswer,
    readStream,
    rpc,
)

SERVER = Address("ws://h", "p", key="sk_1")
ASK = health()
TELL = rpc(SERVER, "socket.emit", [])


class RequestTests(SynchronousTestCase):
    """
    Tests for the requests.
    """

    def test_history(self) -> None:
        """
        A history request has the topic's canonical name, the project, which a token need not name,
        and the client's credentials.
        """
        request = history(Address("ws://h", "p", key="pk_1", token="a.b.c"), "chat/a b", 5, 7)
        parts = urlsplit(request.path)
        self.assertEqual(parts.path, "/api/v1/public/realtime/history")
        self.assertEqual(
            parse_qs(parts.query),
            {"room": ["chat/a b/p"], "limit": ["5"], "before": ["7"], "projectId": ["p"]},
        )
        self.assertEqual(
            request.headers, {"X-Aerostack-Key": "pk_1", "Authorization": "Bearer a.b.c"}
        )
        self.assertTrue(request.repeatable)

    def test_rooms(self) -> None:
        """
        A history request takes any form of a topic; without a project the topic stays as it is.
        """
        for topic, room in (
            ("orders", "table/orders/p"),
            ("table/orders", "table/orders/p"),
            ("chat/a/p", "chat/a/p"),
        ):
            query = urlsplit(history(Address("ws://h", "p"), topic, 5, None).path).query
            found = {"room": [room], "limit": ["5"], "projectId": ["p"]}
            self.assertEqual(parse_qs(query), found)
        query = urlsplit(history(Address("ws://h"), "orders", 5, None).path).query
        self.assertEqual(parse_qs(query)["room"], ["orders"])

    def test_times(self) -> None:
        """
        A time-out that is no number of seconds is refused.
        """
        for seconds in ("5", True):
            with self.assertRaisesRegex(TypeError, "timeout is a number of seconds"):
                ASK.seconds(seconds)  # type: ignore[arg-type]
        with self.assertRaisesRegex(ValueError, "timeout is a number of seconds, not nan"):
            ASK.seconds(math.nan)

    def test_stream(self) -> None:
        """
        A request for a stream has its id in the path, whatever characters that has.
        """
        request = readStream(Address("ws://h", "p"), "a/b?")
        self.assertEqual(request.path, "/api/v1/public/realtime/streams/a%2Fb%3F?projectId=p")
        with self.assertRaisesRegex(TypeError, "stream is text, not None"):
            readStream(SERVER, None)  # type: ignore[arg-type]

    def test_secrets(self) -> None:
        """
        The repr of a request shows no credential.
        """
        self.assertNotIn("sk_1", repr(TELL))


class AnswerTests(SynchronousTestCase):
    """
    Tests for L{readAnswer}.
    """

    def test_answer(self) -> None:
        """
        An answer counts if it has the expected field.
        """
        self.assertEqual(readAnswer(ASK, 200, None, b'{"checks": {}}'), {"checks": {}})

    def test_field(self) -> None:
        """
        A read of the history returns the messages, and not the whole answer.
        """
        request = history(SERVER, "orders", 5, None)
        self.assertEqual(readAnswer(request, 200, None, b'{"messages": [1], "more": 2}'), [1])

    def test_notWell(self) -> None:
        """
        The answer of a daemon that is not healthy counts.
        """
        answer = readAnswer(ASK, 503, None, b'{"checks": {"tracker": "It hangs."}}')
        self.assertEqual(answer["checks"], {"tracker": "It hangs."})

    def test_refused(self) -> None:
        """
        A refusal raises an error.
        """
        body = b'{"error": "forbidden", "message": "No."}'
        error = self.assertRaises(ClientError, readAnswer, TELL, 403, None, body)
        self.assertEqual((error.code, error.message), ("forbidden", "No."))

    def test_nonsense(self) -> None:
        """
        An answer of another server raises an error, whatever its status.
        """
        for body in (b"", b"<html>", b"[]", b"{}", b'{"messages": []}', b"\xff"):
            error = self.assertRaises(ClientError, readAnswer, ASK, 200, None, body)
            self.assertEqual(error.code, "bad_answer")

    @given(st.integers(100, 599), st.binary())
    def test_anything(self, status: int, body: bytes) -> None:
        """
        Every answer is read or raises a ClientError.
        """
        try:
            readAnswer(ASK, status, None, body)
        except ClientError as error:
            self.assertTrue(error.code)


class DependencyTests(SynchronousTestCase):
    """
    Tests for the modules that the waiting SDK loads.
    """

    def test_noTwisted(self) -> None:
        """
        The SDK that waits imports nothing of Twisted, directly or indirectly.
        """
        source = Path(aerostack.__file__).parent
        seen: set[str] = set()
        waiting = ["aerostack.client.blocking"]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            path = source.joinpath(*name.split(".")[1:]).with_suffix(".py")
            if not path.exists():
                path = path.with_suffix("") / "__init__.py"
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in getattr(node, "names", [])]
                module = getattr(node, "module", None)
                for meant in [module] if isinstance(node, ast.ImportFrom) else names:
                    if not isinstance(node, (ast.Import, ast.ImportFrom)) or meant is None:
                        continue
                    self.assertNotIn(meant.partition(".")[0], ("twisted", "autobahn", "treq"), name)
                    if meant.startswith("aerostack"):
                        waiting.append(meant)
        self.assertIn("aerostack.client.requests", seen)
