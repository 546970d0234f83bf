"""
C{reload}: let the daemon read its configuration again.
"""

from __future__ import annotations

import argparse
import sys

from aerostack.cli.options import CommandError, addConfig, addTimeout, configOf
from aerostack.cli.output import say
from aerostack.process.control import Unanswered, askToReload


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Lets the daemon on this machine read its configuration and its certificates again, and"
        " waits until it has. The exit status is 1 if anything was not taken up. Only root and the"
        " daemon's user may ask."
    )
    addTimeout(parser, 25.0)
    addConfig(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    config = configOf(options.config).absolute()
    try:
        outcome = askToReload(config, options.timeout)
    except Unanswered as error:
        raise CommandError(str(error)) from None
    for note in outcome.notes:
        say(note)
    if outcome.faults:
        for fault in outcome.faults[:-1]:
            say(fault)
        raise CommandError(outcome.faults[-1])
    if sys.stdout.isatty():
        say(f"{config} is taken up")
