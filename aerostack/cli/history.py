"""
C{history}: show the kept messages of a topic.
"""

from __future__ import annotations

import argparse

from aerostack.cli.formats import formatJSON, formatMessage
from aerostack.cli.options import addAddress, addJSON, addTimeout, count
from aerostack.cli.output import Output, say
from aerostack.cli.reach import reach


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Shows the newest messages that were kept of a topic, the oldest of them"
        " first: readable on a terminal, JSON lines in a pipe."
    )
    parser.add_argument("topic", metavar="TOPIC", help="chat/general, or orders")
    parser.add_argument("-n", "--limit", type=count, default=50, help="how many; 50")
    parser.add_argument(
        "--before", type=count, metavar="TIME", help="only what was kept before this created_at"
    )
    addTimeout(parser)
    addJSON(parser)
    addAddress(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    output = Output(options.json)
    with reach(options).sdk(options.timeout) as sdk:
        messages = sdk.history(options.topic, options.limit, options.before)
    for message in reversed(messages):
        output.line(formatMessage(message) if output.pretty else formatJSON(message))
    if output.pretty and not messages:
        say(f"nothing was kept of {options.topic}")
