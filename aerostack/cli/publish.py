"""
C{publish}: send an event as a user does.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import Any

from aerostack.cli.emit import addEvent, dataOf, dataOfLine
from aerostack.cli.formats import formatJSON
from aerostack.cli.input import Lines
from aerostack.cli.options import addAddress, addJSON, addTimeout
from aerostack.cli.output import Output
from aerostack.cli.reach import reach
from aerostack.cli.talk import talk, within
from aerostack.client.realtime import RealtimeClient


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Publishes an event on a topic as a user does, over a WebSocket, and waits"
        " until the daemon has taken it."
    )
    addEvent(parser)
    addTimeout(parser)
    addJSON(parser)
    addAddress(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    output = Output(options.json)

    async def publish(reactor: Any, client: RealtimeClient) -> None:
        channel = client.channel(options.topic)
        async for data in _dataOf(options, reactor):
            if not client.running:
                client.startService()
            taken = channel.publish(options.event, data, options.persist, key=options.state_key)
            await within(reactor, options.timeout, taken)
            if output.pretty:
                output.line(f"published {options.event} on {options.topic}")
            else:
                output.line(formatJSON({"published": options.event, "topic": options.topic}))

    talk(reach(options), 0, publish)


async def _dataOf(options: argparse.Namespace, reactor: Any) -> AsyncIterator[Any]:
    """As L{dataOf}, but the client goes on while the command waits for a line."""
    if options.data != "-":
        yield dataOf(options)
        return
    lines, number = Lines(reactor), 0
    while (line := await lines.next()) is not None:
        number += 1
        for data in dataOfLine(options, line, number):
            yield data
