"""
C{status}: ask whether the daemon does its work.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aerostack.cli.formats import formatJSON, plain
from aerostack.cli.options import CommandError, addAddress, addJSON, addTimeout
from aerostack.cli.output import Output
from aerostack.cli.reach import reach


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Asks the daemon whether it does its work. The exit status is 0 if it"
        " does, 1 if it does not or is not there."
    )
    addTimeout(parser)
    addJSON(parser)
    addAddress(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    output = Output(options.json)
    found = reach(options, keyless=True)
    url = found.address.url
    with found.sdk(options.timeout) as sdk:
        health = sdk.health()
    if not output.pretty:
        output.line(formatJSON(health))
    else:
        for line in describe(url, health):
            output.line(plain(line))
    if health.get("status") != "ok":
        raise CommandError(f"the daemon at {url} does not do its work")


STATES = {"here": "this one", "up": "heard", "silent": "not heard", "unknown": "out of reach"}
"""What the states of nodes are called."""


def describe(url: str, health: Mapping[str, Any]) -> list[str]:
    """
    Format the answer of C{/health} for a person: one line for each part.
    """
    rest = dict(health)
    parts = {f"daemon at {url}": rest.pop("status", None)}
    for name in ("checks", "notices"):
        parts |= rest.pop(name, {})
    parts |= {f"node {name}": _describeNode(node) for name, node in rest.pop("nodes", {}).items()}
    parts |= rest
    width = max(len(name) for name in parts)
    return [
        f"{name:{width}}  {value if isinstance(value, str) else formatJSON(value)}"
        for name, value in parts.items()
    ]


def _describeNode(node: dict[str, Any]) -> str:
    state, heard = STATES.get(node["state"], node["state"]), node["heard"]
    since = "" if node["state"] in ("here", "up") else f" for {heard:.0f} s"
    uptime = timedelta(seconds=int(node["uptime"]))
    late = f"late by {node['lag'] * 1000:.0f} ms"
    return f"{state}{since}, run {node['run']} of version {node['version']}, up {uptime}, {late}"
