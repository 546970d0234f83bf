"""
C{console}: write the address of the console.
"""

from __future__ import annotations

import argparse
import sys
from urllib.parse import quote

from aerostack.cli.options import CommandError, addAddress, addressFor
from aerostack.cli.output import Output, say
from aerostack.client.address import Address


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Writes the address of the console, with the project's secret key behind the #, which"
        " browsers never send. Keep the line secret: it contains the key."
    )
    addAddress(parser, token=False)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    Output(json=True).line(consoleOf(addressFor(options, secret=True)))
    if sys.stdout.isatty():
        say("the secret key is in that line; open it on this machine, and keep it secret")


def consoleOf(address: Address) -> str:
    """
    The console's address, with the key for it.

    @raise CommandError: No browser can open the address, or there is no key.
    """
    if address.unixPath is not None:
        raise CommandError(
            "no browser gets through a Unix socket; let the daemon listen on a port of this"
            " machine as well, or give --url"
        )
    if address.key is None:
        raise CommandError("the console wants the secret key; give --key, or AEROSTACK_KEY")
    return f"{address.web}/console/#key={quote(address.key)}"
