"""
C{disconnect}: close a user's connections, and refuse the user's tokens.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aerostack.cli.formats import formatJSON, plain
from aerostack.cli.options import (
    CommandError,
    addAddress,
    addJSON,
    addTimeout,
    duration,
)
from aerostack.cli.output import Output
from aerostack.cli.reach import reach

HOUR = 3600


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Closes all connections of a user, with the project's secret key. The user may come back;"
        " with --revoke only with a token that is issued later."
    )
    parser.add_argument("user", metavar="USER", help="the user's id")
    parser.add_argument("--reason", default="", help="what the client gets as the reason")
    parser.add_argument(
        "--revoke", action="store_true", help="refuse the tokens that the user has, too"
    )
    parser.add_argument(
        "--for",
        dest="lasts",
        type=duration,
        metavar="TIME",
        help="with --revoke, how long: 90s, 15m, 12h, 7d; 1h",
    )
    addTimeout(parser)
    addJSON(parser)
    addAddress(parser, token=False)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.lasts is not None and not options.revoke:
        raise CommandError("--for is for --revoke")
    output = Output(options.json)
    with reach(options, secret=True).sdk(options.timeout) as sdk:
        if options.revoke:
            seconds = options.lasts or HOUR
            answer = sdk.user.revoke(options.user, seconds=seconds, reason=options.reason)
        else:
            answer = sdk.user.disconnect(options.user, reason=options.reason)
    output.line(describe(options.user, answer) if output.pretty else formatJSON(answer))
    if answer["unconfirmed"]:
        nodes = ", ".join(answer["unconfirmed"])
        raise CommandError(f"these nodes have not confirmed: {nodes}; run the command again")


def describe(user: str, answer: Mapping[str, Any]) -> str:
    """
    Format the daemon's answer for a person.
    """
    count = answer["connections"]
    closed = f"closed {count} connection{'' if count == 1 else 's'} of {user}"
    if "until" not in answer:
        return plain(closed)
    until = datetime.fromtimestamp(answer["until"] / 1000).strftime("%Y-%m-%d %H:%M:%S")
    return plain(f"{closed}; tokens from before are refused until {until}")
