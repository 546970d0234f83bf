"""
The command line.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from aerostack import __version__
from aerostack.client.address import Address, addressOf, urlsOf
from aerostack.client.connection import Frame, Wire, WireFactory, reconnecting
from aerostack.config import ConfigError, load
from aerostack.databases import Unusable, openBackend
from aerostack.settings import Config

CONFIGS = (Path("etc/rt.toml"), Path("/etc/aerostack-rt/rt.toml"))


class CommandError(Exception):
    """
    A command cannot do what it was asked; the message says why.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    @param arguments: Those behind the program's name; L{None} for the process's.
    @return: The exit status: 0 for done, 1 for not done, 2 for misuse.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (CommandError, ConfigError, ValueError) as error:
        print(f"aerostack-rt: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aerostack-rt", description="Talks to an aerostack-rt daemon, and cleans up after it."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    tail = commands.add_parser(
        "tail",
        help="show what happens on tables and topics",
        description="Shows what happens on tables and topics: readable on a terminal, one JSON"
        " frame a line in a pipe. Comes back by itself when the daemon restarts.",
    )
    tail.add_argument("topics", nargs="+", metavar="TOPIC", help="orders, or chat/general")
    tail.add_argument("--url", help="the daemon, such as wss://rt.example.com")
    tail.add_argument("--project", help="the project's id")
    tail.add_argument("--key", help="an API key; better in AEROSTACK_KEY")
    tail.add_argument("--token", help="a JWT; better in AEROSTACK_TOKEN")
    tail.add_argument("--json", action="store_true", help="JSON lines, on a terminal too")
    tail.add_argument("-n", "--count", type=int, help="stop after so many frames")
    _addConfig(tail)
    tail.set_defaults(run=_tail)

    detach = commands.add_parser(
        "detach",
        help="take everything of the daemon's out of the database",
        description="Takes the triggers and tables that the daemon has put into the database out"
        " again, kept messages among them. Stop the daemon first.",
    )
    detach.add_argument("--keep-history", action="store_true", help="leave the kept messages")
    detach.add_argument("--force", action="store_true", help="even if the daemon seems to run")
    _addConfig(detach)
    detach.set_defaults(run=_detach)
    return parser


def _addConfig(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        help=f"the daemon's configuration; {' or '.join(map(str, CONFIGS))} if not given",
    )


def _loadConfig(given: Path | None) -> Config:
    found = given or next((path for path in CONFIGS if path.exists()), None)
    if found is None:
        raise CommandError("there is no configuration here; give --config, or --url and --key")
    return load(found, os.environ)


def _address(options: argparse.Namespace) -> Address:
    key = options.key or os.environ.get("AEROSTACK_KEY")
    token = options.token or os.environ.get("AEROSTACK_TOKEN")
    if options.url:
        return Address(options.url.rstrip("/"), options.project, key=key, token=token)
    address = addressOf(_loadConfig(options.config), options.project)
    return replace(address, key=key or address.key, token=token)


# tail


def _tail(options: argparse.Namespace) -> None:
    address = _address(options)
    pretty = sys.stdout.isatty() and not options.json
    tail = Tail(options.topics, formatFrame if pretty else formatJSON, sys.stdout, options.count)
    try:
        react(tail.run, (address,))
    except SystemExit as end:
        if tail.fault is not None:
            raise CommandError(tail.fault) from None
        if end.code:
            raise


# A daemon that stops or is full says so, and a proxy in front of one that restarts.
_PASSING = (429, 502, 503, 504)


class Tail:
    """
    Follows topics, and writes what comes.

    @ivar fault: Why it ended, if not because it was done.
    """

    def __init__(
        self,
        topics: Sequence[str],
        format: Callable[[Frame], str | None],
        output: TextIO,
        count: int | None = None,
    ) -> None:
        """
        @param format: Gives the line for a frame, L{None} for none.
        @param count: After how many lines to end; L{None} for never.
        """
        self.fault: str | None = None
        self._topics = topics
        self._format = format
        self._output = output
        self._left = count
        self._done: Deferred[None] = Deferred()

    def run(self, reactor: Any, address: Address) -> Deferred[None]:
        """
        Follow until there is nothing left to do.
        """
        self._address = address
        factory = WireFactory(reactor, address, self._opened, self._received, self._closed)
        service = reconnecting(reactor, address, factory)
        service.startService()
        self._say(f"connecting to {address.url}")
        service.whenConnected(failAfterFailures=1).addErrback(
            lambda failure: self._say(f"{failure.getErrorMessage()}; trying again")
        )
        return self._done.addBoth(lambda _: service.stopService())

    def _opened(self, wire: Wire) -> None:
        for topic in self._topics:
            wire.tell({"type": "subscribe", "topic": topic})

    def _received(self, frame: Frame) -> None:
        if frame["type"] == "subscribed":
            self._say(f"watching {frame['topic']}")
            return
        if frame["type"] == "error":
            self._say(f"{frame.get('topic', 'the daemon')}: {frame['message']} [{frame['code']}]")
            return
        if frame["type"] == "status":
            self._say(f"{frame['topic']} is {frame['feed']}: {frame['message']}")
            return
        line = self._format(frame)
        if line is None or self._done.called:
            return
        try:
            print(line, file=self._output, flush=True)
        except BrokenPipeError:
            # Else the interpreter would try once more at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._output.fileno())
            self._end(None)
            return
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._end(None)

    def _closed(self, code: int | None, reason: str | None) -> None:
        if self._done.called:
            return
        if code is not None and code < 1000 and code not in _PASSING:
            self._end(f"the daemon at {self._address.url} refused: {reason} [{code}]")
            return
        self._say(f"the connection is gone ({reason or code}); coming back")

    def _end(self, fault: str | None) -> None:
        self.fault = fault
        self._done.callback(None)

    def _say(self, text: str) -> None:
        print(f"aerostack-rt: {_plain(text)}", file=sys.stderr, flush=True)


def formatJSON(frame: Frame) -> str | None:
    """
    A frame for a program to read: one line of JSON.
    """
    return json.dumps(frame, ensure_ascii=False)


def formatFrame(frame: Frame) -> str | None:
    """
    A frame for a person to read: one line, the time first.
    """
    return None if "timestamp" not in frame else _plain(_describe(frame))


def _plain(text: str) -> str:
    """Take from what others wrote the power over a terminal."""
    return "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text
    )


def _describe(frame: Frame) -> str:
    time = datetime.fromtimestamp(frame["timestamp"] / 1000).strftime("%H:%M:%S.%f")[:-3]
    topic = frame["topic"].rpartition("/")[0]
    data = json.dumps(frame["data"], ensure_ascii=False)
    if frame["type"] == "db_change":
        topic = topic.removeprefix("table/")
        if frame["operation"] == "UPDATE":
            return f"{time} UPDATE {topic} {_difference(frame['old'], frame['data'])}"
        return f"{time} {frame['operation']} {topic} {data}"
    user = f" {frame['userId']}:" if frame.get("userId") else ""
    return f"{time} {frame['event']} {topic}{user} {data}"


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Show a row, and for each column that changed what was there before."""
    parts = []
    for name, value in new.items():
        shown = json.dumps(value, ensure_ascii=False)
        if name in old and old[name] != value:
            shown = f"{json.dumps(old[name], ensure_ascii=False)} → {shown}"
        parts.append(f"{name}: {shown}")
    return "{" + ", ".join(parts) + "}"


# detach


def _detach(options: argparse.Namespace) -> None:
    config = _loadConfig(options.config)
    backend = openBackend(config.database)
    if not options.force:
        for url in urlsOf(config):
            if _answers(url):
                raise CommandError(
                    f"the daemon seems to be running: somebody answers at {url}. It would put"
                    " everything back; stop it first, or give --force"
                )
    try:
        names = backend.remove(options.keep_history)
    except Unusable as error:
        raise CommandError(str(error)) from None
    for name in names:
        print(f"removed {name}")
    holds = f"{backend.name} holds nothing of aerostack-rt's any more."
    print(holds if names else "Nothing to remove.")


def _answers(url: str) -> bool:
    """Whether somebody listens at an address of this machine."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "ws+unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(2)
                probe.connect(parts.path)
        else:
            socket.create_connection((parts.hostname or "", parts.port or 0), 2).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
