"""
Tests for what the commands have in common.
"""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from aerostack.cli import main, options, why
from aerostack.cli.console import checkAllowed, consoleOf
from aerostack.cli.emit import dataOf, groupsOf
from aerostack.cli.options import CommandError, count, duration, positive
from aerostack.cli.output import Output, say
from aerostack.cli.status import describe
from aerostack.client.address import Address
from aerostack.config import loader
from aerostack.config.parts import Parts


class DurationTests(SynchronousTestCase):
    """
    Tests for L{duration}.
    """

    def test_durations(self) -> None:
        """
        A duration is written with its unit.
        """
        for text, seconds in (
            ("90", 90),
            ("90s", 90),
            ("15m", 900),
            ("12h", 43200),
            ("7d", 604800),
        ):
            self.assertEqual(duration(text), seconds)
        for text in ("", "0", "-1", "1w", "1.5h", "h", "٣s", "1 h"):
            error = self.assertRaises(argparse.ArgumentTypeError, duration, text)
            self.assertIn("write 90s, 15m, 12h or 7d", str(error))


class NumberTests(SynchronousTestCase):
    """
    Tests for L{count} and L{positive}.
    """

    def test_numbers(self) -> None:
        """
        What is no such number is refused with a sentence that quotes it.
        """
        self.assertEqual((count("0"), count("20"), positive("0.5")), (0, 20, 0.5))
        for read, wrong in ((count, ("-1", "x", "", "1.5")), (positive, ("0", "-1", "x", "nan"))):
            for text in wrong:
                error = self.assertRaises(argparse.ArgumentTypeError, read, text)
                self.assertIn(f"{text!r} is no ", str(error))


class DataTests(SynchronousTestCase):
    """
    Tests for L{dataOf}.
    """

    def data(self, data: str | None, text: bool = False, stdin: str = "") -> list[object]:
        """
        What is to be sent.
        """
        options = argparse.Namespace(data=data, text=text)
        source = io.BytesIO(stdin.encode("utf-8", "surrogateescape"))
        if data == "-":
            given = [value for group in groupsOf(options, source) for _, value in group]
        else:
            given = [dataOf(options)]
        return [json.loads(bytes(each)) if isinstance(each, Raw) else each for each in given]

    def test_data(self) -> None:
        """
        The data is JSON, or text if an option says so, or empty.
        """
        self.assertEqual(self.data('{"a": [1]}'), [{"a": [1]}])
        self.assertEqual(self.data("hello there", text=True), ["hello there"])
        self.assertEqual(self.data(None), [None])
        self.assertEqual(self.data(None, text=True), [None])
        self.assertEqual(self.data("", text=True), [""])

    def test_lines(self) -> None:
        """
        Each line of the input may have data.
        """
        self.assertEqual(self.data("-", stdin='1\n\n"é"\n'), [1, "é"])
        self.assertEqual(self.data("-", True, "a\n\nb"), ["a", "", "b"])

    def test_wrong(self) -> None:
        """
        Data that is not JSON is refused, with advice.
        """
        error = self.assertRaises(CommandError, self.data, "hello")
        self.assertRegex(str(error), "^DATA is no JSON: .* --text$")
        error = self.assertRaises(CommandError, self.data, "-", False, "1\nhello\n")
        self.assertIn("line 2 is no JSON", str(error))
        error = self.assertRaises(CommandError, self.data, "-", True, "a\n\udcff\n")
        self.assertIn("line 2 is not UTF-8", str(error))

    def test_groups(self) -> None:
        """
        Lines that have come together are sent together, a hundred at the most, and a long line by
        itself.  Each has its number.  A line that came in parts is one, and so is the last without
        an end.  The lines before a wrong one are sent.
        """
        options = argparse.Namespace(data="-", text=True)
        pieces = [b"a\nb\nc", b"c\n", b"\n" * 250, b"x" * 70_000, b"y", b"\nz\nlast"]
        source = io.BytesIO()
        self.patch(source, "read1", lambda size: pieces.pop(0) if pieces else b"")
        groups = list(groupsOf(options, source))
        self.assertEqual([len(group) for group in groups], [2, 1, 100, 100, 50, 1, 1, 1])
        self.assertEqual(groups[1], [(3, "cc")])
        self.assertEqual([number for group in groups for number, _ in group], [*range(1, 257)])
        self.assertEqual(groups[-3][0], (254, "x" * 70_000 + "y"))
        self.assertEqual(groups[-1], [(256, "last")])
        found = groupsOf(argparse.Namespace(data="-", text=False), io.BytesIO(b"1\n\n2\n!\n3\n"))
        self.assertEqual([number for number, _ in next(found)], [1, 3])
        self.assertRaises(CommandError, next, found)

    def test_asWritten(self) -> None:
        """
        JSON goes as it is written.
        """
        given = dataOf(argparse.Namespace(data=' {"n": 1.10} ', text=False))
        self.assertEqual(bytes(given), b'{"n": 1.10}')

    def test_unsendable(self) -> None:
        """
        Values that Python parses but JSON does not have, or a double cannot hold, are refused.
        """
        for data in (
            *("", "NaN", '{"a": [Infinity]}', "-Infinity", "1e999", "9" * 400, "9" * 5000),
            *("[" * 100 + "]" * 100, "[" * 100_000 + "]" * 100_000, '"half \\ud83d"'),
        ):
            error = self.assertRaises(CommandError, self.data, data)
            self.assertRegex(str(error), "^DATA is no JSON", data[:20])
            self.assertNotIn("sys.", str(error))


class OutputTests(SynchronousTestCase):
    """
    Tests for L{Output} and L{say}.
    """

    def test_pretty(self) -> None:
        """
        Lines are for a person on a terminal, unless the person asks for lines for a program.
        """

        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        self.assertTrue(Output(False, Terminal()).pretty)
        self.assertFalse(Output(True, Terminal()).pretty)
        self.assertFalse(Output(False, io.StringIO()).pretty)

    def test_say(self) -> None:
        """
        A message to a person cannot move the cursor.
        """
        errors = io.StringIO()
        self.patch(sys, "stderr", errors)
        say("a\x1b[2J\nb")
        self.assertEqual(errors.getvalue(), "aerostack-rt: a\\u001b[2J\\u000ab\n")


class StatusTests(SynchronousTestCase):
    """
    Tests for L{describe}.
    """

    def test_parts(self) -> None:
        """
        Each part of the health has a line.
        """
        health = {
            "status": "failing",
            "checks": {"tracker": "It hangs."},
            "notices": {"transactions": "One is open."},
            "lag": {"ms": 5},
        }
        self.assertEqual(
            describe("ws://h", health),
            [
                "daemon at ws://h  failing",
                "tracker           It hangs.",
                "transactions      One is open.",
                'lag               {"ms": 5}',
            ],
        )

    def test_nodes(self) -> None:
        """
        Each node has a line, which says of a node that is silent for how long.
        """
        node = {"run": "r1", "version": "1", "uptime": 90061.5, "heard": 0.4, "lag": 0.0021}
        health = {
            "status": "ok",
            "nodes": {
                "a": {**node, "state": "here"},
                "b": {**node, "state": "up", "heard": 3.2},
                "c": {**node, "state": "silent", "heard": 14.2},
                "d": {**node, "state": "of a later version", "heard": 1.0},
            },
        }
        rest = "run r1 of version 1, up 1 day, 1:01:01, late by 2 ms"
        self.assertEqual(
            describe("ws://h", health),
            [
                "daemon at ws://h  ok",
                f"node a            this one, {rest}",
                f"node b            heard, {rest}",
                f"node c            not heard for 14 s, {rest}",
                f"node d            of a later version for 1 s, {rest}",
            ],
        )


class WhyTests(SynchronousTestCase):
    """
    Tests for L{why}.
    """

    def test_findings(self) -> None:
        """
        The verdict comes first, and then a line for each finding that says more.
        """
        findings = [
            {"severity": "problem", "message": "It is closed."},
            {"severity": "notice", "message": "It is old."},
            {"severity": "fine", "message": "It is green."},
        ]
        self.assertEqual(
            why.describe({"verdict": "It is closed.", "findings": findings}),
            ["It is closed.", "  notice  It is old.", "  fine    It is green."],
        )
        self.assertEqual(why.describe({"verdict": "So.", "findings": []}), ["So."])


class ConsoleTests(SynchronousTestCase):
    """
    Tests for L{consoleOf}.
    """

    def test_address(self) -> None:
        """
        The key is behind the #, so that a browser sends it to no server.
        """
        self.assertEqual(
            consoleOf(Address("wss://h/rt", key="sk_a~b")),
            "https://h/rt/console/#key=sk_a~b",
        )
        self.assertEqual(
            consoleOf(Address("ws://127.0.0.1:8787", key="sk_#&")),
            "http://127.0.0.1:8787/console/#key=sk_%23%26",
        )

    def test_cannot(self) -> None:
        """
        There is no address for a browser without a key, or if only a Unix socket listens.
        """
        for address, text in (
            (Address("ws://h"), "give --key"),
            (Address("ws+unix:///run/rt.sock", key="sk_1"), "gets through a Unix socket"),
        ):
            error = self.assertRaises(CommandError, consoleOf, address)
            self.assertIn(text, str(error))

    def test_allowed(self) -> None:
        """
        There is no address at which the daemon would refuse the console.
        """
        path = Path(self.mktemp()).absolute()
        for listen, console, refusal in (
            ('"tcp:80:local=1:interface=127.0.0.1"', "loopback", None),
            ('"tcp:80", "unix:rt.sock:local=1"', "loopback", "add one to server.listen"),
            ('"tcp:80"', "everywhere", None),
            ('"tcp:80:local=1:interface=127.0.0.1"', "off", "has no console"),
        ):
            path.write_text(f'server.listen = [{listen}]\nserver.console = "{console}"')
            parts = Parts(path, {})
            if refusal is None:
                checkAllowed(parts)
            else:
                error = self.assertRaises(CommandError, checkAllowed, parts)
                self.assertIn(refusal, str(error))


class MainTests(SynchronousTestCase):
    """
    Tests for L{main}.
    """

    def execute(self, *arguments: str) -> tuple[int, str]:
        """
        Run a command.
        """
        errors = io.StringIO()
        self.patch(sys, "stderr", errors)
        return main(arguments), errors.getvalue()

    def test_fault(self) -> None:
        """
        An error is one line, and the status is 1.
        """
        status, errors = self.execute("detach", "--config", "/nowhere/rt.toml")
        self.assertEqual(status, 1)
        self.assertRegex(errors, r"^aerostack-rt: /nowhere/rt.toml: cannot be read.*\n$")

    def test_otherUser(self) -> None:
        """
        If another user's directory has the configuration, the command says that this user cannot
        read it.
        """

        def refuse(path: Path | str, *args: object, **kwargs: object) -> NoReturn:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

        self.patch(options, "CONFIGS", (Path("/nowhere/rt.toml"),))
        self.patch(Path, "stat", refuse)
        self.patch(loader, "readFile", refuse)
        for command in (["status"], ["emit", "a/b", "e"], ["tail", "a"], ["detach"]):
            status, errors = self.execute(*command)
            self.assertEqual(status, 1)
            self.assertEqual(
                errors,
                "aerostack-rt: /nowhere/rt.toml: cannot be read: Permission denied; run this as"
                " root or as the daemon's user\n",
            )

    def test_nowhere(self) -> None:
        """
        If no configuration is where it usually is, the command says what to give.
        """
        self.patch(options, "CONFIGS", (Path("/nowhere/rt.toml"), Path("/dev/null/rt.toml")))
        status, errors = self.execute("status")
        self.assertEqual(status, 1)
        self.assertIn("there is no configuration here; give --config, or", errors)

    def test_url(self) -> None:
        """
        A malformed URL is refused with a message about it.
        """
        for command in (["tail", "a"], ["status"], ["emit", "a", "e"], ["presence", "a"]):
            status, errors = self.execute(*command, "--url", "localhost")
            self.assertEqual(status, 1)
            self.assertIn("'localhost' is no address of a daemon; write it as", errors)

    def test_advice(self) -> None:
        """
        If no daemon listens at the address, the message asks whether it is running.
        """
        status, errors = self.execute("status", "--url", "ws+unix:///nowhere/rt.sock")
        self.assertEqual(status, 1)
        self.assertRegex(errors, "^aerostack-rt: No server can be reached.*; is the daemon")
        self.assertEqual(errors.count("\n"), 1)
