"""
Tests for L{aerostack.cli}: what it writes, and what it understands.
"""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import Tail, formatFrame, formatJSON, main
from aerostack.client.address import Address, addressOf, urlsOf
from aerostack.config import load
from aerostack.settings import Config

NOON = 1_700_000_000_000


def frame(type: str, **fields: Any) -> dict[str, Any]:
    """
    A frame of some topic's.
    """
    return {"type": type, "topic": "chat/general/p", "timestamp": NOON + 7, **fields}


class FormatTests(SynchronousTestCase):
    """
    Tests for L{formatFrame} and L{formatJSON}.
    """

    def test_json(self) -> None:
        """
        A program gets the whole frame in one line, whatever is in it.
        """
        sent = frame("event", event="e", data={"a": "é\n\u2028", "n": [1, None]})
        line = formatJSON(sent)
        assert line is not None
        self.assertEqual(json.loads(line), sent)
        self.assertNotIn("\n", line)

    def assertShown(self, sent: dict[str, Any], expected: str) -> None:
        """
        Assert how a person is shown a frame, behind the time.
        """
        line = formatFrame(sent)
        assert line is not None
        self.assertRegex(line, r"^\d\d:\d\d:\d\d\.007 ")
        self.assertEqual(line[13:], expected)

    def test_changes(self) -> None:
        """
        A change shows the table and the row; an update what was there before.
        """
        topic = "table/my/orders/p"
        for sent, expected in (
            ({"operation": "INSERT", "data": {"id": 1}}, 'INSERT my/orders {"id": 1}'),
            (
                {"operation": "DELETE", "data": {"id": 1}, "old": {"id": 1}},
                'DELETE my/orders {"id": 1}',
            ),
            (
                {
                    "operation": "UPDATE",
                    "data": {"id": 1, "a": "é", "b": None, "c": 1},
                    "old": {"id": 1, "a": "x", "b": 2},
                },
                'UPDATE my/orders {id: 1, a: "x" → "é", b: 2 → null, c: 1}',
            ),
        ):
            self.assertShown(frame("db_change", **{**sent, "topic": topic}), expected)

    def test_events(self) -> None:
        """
        An event shows its name, its topic and, if there is one, the user.
        """
        self.assertShown(
            frame("event", event="moved", data={"x": 1}), 'moved chat/general {"x": 1}'
        )
        self.assertShown(
            frame("chat_message", event="message", data={"text": "hi"}, userId="ann"),
            'message chat/general ann: {"text": "hi"}',
        )

    def test_controls(self) -> None:
        """
        What somebody else wrote cannot move the cursor or begin a line.
        """
        for sent in (
            frame("event", event="a\x1b[2J\nb", data="\x1b[2J\x9b", userId="\x1b]0;x\x07\x7f"),
            frame("db_change", operation="UPDATE", data={"a\x1b\n": "\x9b"}, old={"a\x1b\n": 1}),
        ):
            line = formatFrame(sent)
            assert line is not None
            self.assertFalse([c for c in line if unicodedata.category(c) == "Cc"], repr(line))

    def test_other(self) -> None:
        """
        What is no news is not shown.
        """
        for other in ({"type": "pong"}, {"type": "unsubscribed", "topic": "chat/a/p"}):
            self.assertIsNone(formatFrame(other))


class TailTests(SynchronousTestCase):
    """
    Tests for L{Tail}, without a daemon.
    """

    def setUp(self) -> None:
        self.output = io.StringIO()
        self.errors = io.StringIO()
        self.patch(sys, "stderr", self.errors)
        self.tail = Tail(["orders", "chat/a"], formatJSON, self.output, 2)
        self.tail._address = Address("ws://127.0.0.1:1")

    def test_subscribes(self) -> None:
        """
        Every connection subscribes to every topic anew.
        """

        class Wire:
            told: list[Any] = []  # noqa: RUF012

            def tell(self, frame: Any) -> None:
                self.told.append(frame["topic"])

        for _ in range(2):
            self.tail._opened(Wire())  # type: ignore[arg-type]
        self.assertEqual(Wire.told, ["orders", "chat/a"] * 2)

    def test_notNews(self) -> None:
        """
        Answers and errors are for the person, not among the lines, and don't count.
        """
        self.tail._received({"type": "subscribed", "topic": "chat/a/p"})
        self.tail._received({"type": "error", "code": "unknown_table", "message": "There is none."})
        self.tail._received(
            {"type": "status", "topic": "table/a/p", "feed": "down", "message": "It is locked."}
        )
        self.assertEqual(self.output.getvalue(), "")
        self.assertEqual(
            self.errors.getvalue(),
            "aerostack-rt: watching chat/a/p\n"
            "aerostack-rt: the daemon: There is none. [unknown_table]\n"
            "aerostack-rt: table/a/p is down: It is locked.\n",
        )
        self.assertNoResult(self.tail._done)

    def test_count(self) -> None:
        """
        It ends after as many lines as were asked for, and writes no more.
        """
        for n in range(3):
            self.tail._received(frame("event", event="e", data=n))
        self.assertEqual(self.output.getvalue().count("\n"), 2)
        self.successResultOf(self.tail._done)
        self.assertIsNone(self.tail.fault)

    def test_comesBack(self) -> None:
        """
        A connection that is lost, or refused for a passing reason, is made again.
        """
        for code, reason in ((1001, "stopping"), (1006, None), (503, "stopping"), (429, "full")):
            self.tail._closed(code, reason)
            self.assertNoResult(self.tail._done)
        self.assertEqual(self.errors.getvalue().count("coming back"), 4)

    def test_refused(self) -> None:
        """
        One that is refused for good is not.
        """
        self.tail._closed(401, "That key is not ours.")
        self.successResultOf(self.tail._done)
        self.assertEqual(
            self.tail.fault,
            "the daemon at ws://127.0.0.1:1 refused: That key is not ours. [401]",
        )


class AddressTests(SynchronousTestCase):
    """
    Tests for finding the daemon of a configuration.
    """

    def config(self, *listen: str) -> Config:
        """
        Read a configuration.
        """
        directory = Path(self.mktemp()).absolute()
        directory.mkdir()
        (directory / "key.pem").touch()
        path = directory / "rt.toml"
        path.write_text(
            f"""
            server.listen = {json.dumps(listen)}
            database.url = "sqlite:///rt.db"
            projects.p.public_key = "pk_0123456789abcdef"
            projects.q.anonymous = true
            """
        )
        return load(path, {})

    def test_urls(self) -> None:
        """
        Every place that can be connected to from this machine has a URL.
        """
        for listen, url in (
            ("tcp:8787", "ws://127.0.0.1:8787"),
            ("tcp:8787:interface=0.0.0.0", "ws://127.0.0.1:8787"),
            ("tcp:8787:interface=10.0.0.5:backlog=5", "ws://10.0.0.5:8787"),
            ("tcp6:8787", "ws://[::1]:8787"),
            ("tcp6:8787:interface=fe80\\:\\:1", "ws://[fe80::1]:8787"),
            ("ssl:8443:privateKey=key.pem", "wss://127.0.0.1:8443"),
            ("unix:/run/rt\\:1.sock:mode=660", "ws+unix:///run/rt:1.sock"),
        ):
            self.assertEqual(urlsOf(self.config(listen)), [url])
        self.assertEqual(urlsOf(self.config("systemd:domain=INET:index=0")), [])

    def test_address(self) -> None:
        """
        The first place is taken, and the first project or the one that is named.
        """
        config = self.config("systemd:domain=INET:index=0", "tcp:1", "tcp:2")
        address = addressOf(config, None)
        self.assertEqual(
            (address.url, address.projectId, address.key),
            ("ws://127.0.0.1:1", "p", "pk_0123456789abcdef"),
        )
        self.assertEqual(address.protocols, ["aerostack-key.pk_0123456789abcdef", "aerostack-v1"])
        other = addressOf(config, "q")
        self.assertEqual((other.projectId, other.key, other.protocols), ("q", None, []))
        self.assertIn("no project r", str(self.assertRaises(ValueError, addressOf, config, "r")))

    def test_nowhere(self) -> None:
        """
        Where there is no such place, it says what to give.
        """
        config = self.config("systemd:domain=INET:index=0")
        self.assertIn("give --url", str(self.assertRaises(ValueError, addressOf, config, None)))

    def test_secrets(self) -> None:
        """
        An address shows no credential.
        """
        shown = repr(Address("ws://h", key="pk_shown", token="tok_shown"))
        self.assertNotIn("_shown", shown)


class MainTests(SynchronousTestCase):
    """
    Tests for L{main}.
    """

    def test_fault(self) -> None:
        """
        What cannot be done is said in one line, and the status is 1.
        """
        errors = io.StringIO()
        with patch.object(sys, "stderr", errors):
            status = main(["detach", "--config", "/nowhere/rt.toml"])
        self.assertEqual(status, 1)
        self.assertRegex(errors.getvalue(), r"^aerostack-rt: /nowhere/rt.toml: cannot be read.*\n$")
