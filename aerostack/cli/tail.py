"""
C{tail}: show what happens on tables and topics.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.cli.formats import Frame, formatFrame, formatJSON, formatRow
from aerostack.cli.growing import GrowingLines
from aerostack.cli.options import CommandError, addAddress, addJSON, count, readJSON
from aerostack.cli.output import Output, say
from aerostack.cli.reach import reach
from aerostack.cli.talk import talk
from aerostack.client.answers import STREAMING, Answer
from aerostack.client.connection import DISCONNECTED
from aerostack.client.errors import ClientError
from aerostack.client.realtime import RealtimeClient

# What gaps of a table mean for what is shown.
_GAPS: dict[Any, str] = {
    "back": "the table is there again, perhaps with other rows than those that were shown",
    "events": "events may have been missed; no change of the table was",
    "altered": "columns were changed, so rows that were shown may look different",
}

# The key of a configuration alone reads no table where only users with a token may.
_FORBIDDEN = "; give the --token of a user who may read it, which aerostack-rt token makes"


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Shows what happens on tables and topics: readable on a terminal, where a token stream is a"
        " line that grows; one JSON frame a line in a pipe. When the daemon restarts it comes back"
        " by itself, and shows what it missed."
    )
    parser.add_argument("topics", nargs="+", metavar="TOPIC", help="orders, or chat/general")
    parser.add_argument("--filter", metavar="JSON", help="which rows of the tables")
    parser.add_argument("--snapshot", action="store_true", help="the rows that are there first")
    parser.add_argument(
        "--rewind",
        metavar="N",
        type=count,
        help="begin with so many of the newest frames; not of tables",
    )
    parser.add_argument("--since", metavar="POS", help="begin behind this position")
    parser.add_argument("-n", "--count", type=count, help="stop after so many lines")
    addJSON(parser)
    addAddress(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    wishes = {
        "since": options.since,
        "snapshot": options.snapshot or None,
        "rewind": options.rewind,
    }
    if options.filter is not None:
        wishes["filter"] = readJSON(options.filter, "--filter")
    tail = Tail(options.topics, wishes, Output(options.json), options.count)
    found = reach(options)
    say(f"connecting to {found.address.url}")
    talk(found, None, tail.follow)


class Tail:
    """
    Follows topics, and writes what comes.
    """

    def __init__(
        self,
        topics: Sequence[str],
        wishes: dict[str, Any],
        output: Output,
        count: int | None = None,
    ) -> None:
        """
        @param wishes: How to subscribe; see L{aerostack.client.channel.Channel.subscribe}.
        @param count: After how many lines to end; L{None} for never.
        """
        self._topics = dict.fromkeys(topics)
        self._wishes = wishes
        self._output = output
        self._left = count
        self._client: RealtimeClient | None = None
        self._said = ""
        # Whether the daemon has ever answered.
        self._wasHere = False
        self._growing = GrowingLines()
        self._done: Deferred[None] = Deferred()

    async def follow(self, reactor: Any, client: RealtimeClient) -> None:
        """
        Follow until there is nothing left to do.

        @raise CommandError: There is nothing left to follow.
        @raise ClientError: The daemon refuses the connection.
        """
        if self._left == 0:
            return
        self._client = client
        client.onError(self._failed)
        for topic in self._topics:
            channel = client.channel(topic)
            channel.on("*", self._received).on("snapshot", self._received)
            channel.onSubscribed(self._subscribed)
            if self._output.pretty:
                channel.answers.onChange(partial(self._grown, topic))
            channel.onGap(partial(self._missed, topic))
            channel.onError(partial(self._refused, topic))
            channel.onFeedChange(partial(self._feed, topic))
            channel.subscribe(**self._wishes, timeout=inf).addErrback(self._unwatched, topic)
        client.startService()
        await self._done

    def _received(self, frame: Frame) -> None:
        for line in self._lines(frame):
            if self._done.called:
                return
            self._output.write(self._growing.interrupt())
            self._output.line(line)
            self._count()

    def _grown(self, topic: str, answer: Answer) -> None:
        if self._done.called:
            return
        self._output.write(self._growing.grow(topic, answer))
        if answer.state != STREAMING:
            self._count()

    def _count(self) -> None:
        """Count a line; end the command where it was the last."""
        if self._left is not None:
            self._left -= 1
        if self._output.closed or self._left == 0:
            self._done.callback(None)

    def _lines(self, frame: Frame) -> list[str]:
        if not self._output.pretty:
            return [formatJSON(frame)]
        if "stream" in frame:
            return []
        if frame["type"] == "snapshot":
            return [formatRow(frame["topic"], row) for row in frame.get("rows", [])]
        line = formatFrame(frame)
        return [] if line is None else [line]

    def _subscribed(self, frame: Frame) -> None:
        self._said, self._wasHere = "", True
        again = " again, from where it left off" if frame.get("recovered") else ""
        say(f"watching {frame['topic']}{again}")

    def _missed(self, topic: str, gap: Frame) -> None:
        reason = gap.get("reason")
        known = _GAPS.get(reason, f"something was missed that cannot be had any more ({reason})")
        say(f"{topic}: {known}")

    def _refused(self, topic: str, error: ClientError) -> None:
        say(f"{topic}: {error}")

    def _feed(self, topic: str, feed: str | None, message: str) -> None:
        say(f"{topic}: the feed is {feed}. {message}")

    def _unwatched(self, failure: Any, topic: str) -> None:
        failure.trap(ClientError)
        # Only a signal stops the client before the command is done.
        if self._done.called or self._over or failure.value.code == "stopped":
            return
        advice = _FORBIDDEN if failure.value.code == "forbidden" else ""
        say(f"{topic}: {failure.value}{advice}")
        self._topics.pop(topic, None)
        if not self._topics:
            self._done.errback(CommandError("there is nothing left to watch"))

    @property
    def _over(self) -> bool:
        """Whether every topic was refused, and the command has written why."""
        return self._client is not None and self._client.status == DISCONNECTED

    def _failed(self, error: ClientError) -> None:
        if self._done.called:
            return
        if self._over or (error.code == "tls_failed" and not self._wasHere):
            # Another attempt would find the same certificate.
            self._done.errback(error)
            return
        # Further attempts are not reported.
        if str(error) != self._said:
            self._said = str(error)
            say(f"{error}; trying again")
