"""
C{presence}: show the members of a topic.
"""

from __future__ import annotations

import argparse
from math import inf
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.cli.formats import Frame, clockTime, formatJSON, formatMember
from aerostack.cli.options import CommandError, addAddress, addJSON, addTimeout
from aerostack.cli.output import Output, say
from aerostack.cli.reach import reach
from aerostack.cli.talk import talk, within
from aerostack.client.connection import DISCONNECTED
from aerostack.client.errors import ClientError
from aerostack.client.presence import PREFIX
from aerostack.client.realtime import RealtimeClient


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Shows who is present on a topic: a member a line, readable on a terminal, JSON in a pipe."
    )
    parser.add_argument("topic", metavar="TOPIC", help="orders, or chat/general")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with who comes and goes")
    addTimeout(parser)
    addJSON(parser)
    addAddress(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    output = Output(options.json)
    done: Deferred[None] = Deferred()

    def show(frame: Frame) -> None:
        event = frame["event"].removeprefix(PREFIX)
        if not output.pretty:
            output.line(formatJSON(frame))
        elif event != "sync":
            output.line(f"{clockTime(frame['timestamp'])} {event} {formatMember(frame['data'])}")
        if output.closed and not done.called:
            done.callback(None)

    def failed(error: ClientError) -> None:
        say(f"{error}; trying again")

    def ended(status: str) -> None:
        if status == DISCONNECTED and not done.called:
            done.errback(CommandError("the daemon has sent us away for good"))

    async def look(reactor: Any, client: RealtimeClient) -> None:
        channel = client.channel(options.topic)
        if options.follow:
            client.onError(failed)
        client.startService()
        await within(reactor, options.timeout, channel.subscribe(timeout=inf))
        for member in await within(reactor, options.timeout, channel.presence.known()):
            output.line(formatMember(member) if output.pretty else formatJSON(member))
        if output.pretty and not channel.presence.members:
            say(f"no user is present on {options.topic}")
        if options.follow:
            client.onStatusChange(ended)
            for event in ("sync", "join", "update", "leave"):
                channel.on(f"{PREFIX}{event}", show)
            await done

    talk(reach(options), None if options.follow else 0, look)
