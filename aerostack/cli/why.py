"""
C{why}: explain why a publication did or did not reach a user.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from aerostack.cli.formats import formatJSON, plain
from aerostack.cli.options import addAddress, addJSON, addTimeout
from aerostack.cli.output import Output, say
from aerostack.cli.reach import reach


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Says why what is published on a topic does not reach a user, or that it does: the"
        " verdict first, then what it rests on, readable on a terminal, JSON lines in a pipe."
    )
    parser.add_argument("user", metavar="USER", help="the user's id, as its token has it")
    parser.add_argument("topic", metavar="TOPIC", help="orders, or chat/general")
    addTimeout(parser)
    addJSON(parser)
    addAddress(parser, token=False)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    output = Output(options.json)
    with reach(options, secret=True, forConsole=True).sdk(options.timeout) as sdk:
        found = sdk.explain(options.user, options.topic)
    if output.pretty:
        for line in describe(found):
            output.line(plain(line))
        _warn(found)
        return
    output.line(formatJSON({name: found[name] for name in ("topic", "user", "verdict")}))
    for finding in found["findings"]:
        output.line(formatJSON(finding))
    _warn(found)


def _warn(found: Mapping[str, Any]) -> None:
    """Say on the standard error if parts of the daemon have not answered."""
    if missing := found.get("missing"):
        say(f"this is without what {', '.join(missing)} know; they did not answer")


def describe(found: Mapping[str, Any]) -> list[str]:
    """
    Format an explanation for a person: the verdict, and one line for each finding that the verdict
    does not have.
    """
    findings = [
        each for each in found["findings"] if not found["verdict"].endswith(each["message"])
    ]
    width = max((len(finding["severity"]) for finding in findings), default=0)
    return [
        found["verdict"],
        *(f"  {finding['severity']:{width}}  {finding['message']}" for finding in findings),
    ]
