"""
C{console}: write the address of the console.
"""

from __future__ import annotations

import argparse
import sys
from urllib.parse import quote

from aerostack.cli.options import CommandError, addAddress, partsOf
from aerostack.cli.output import Output, say
from aerostack.cli.reach import reach
from aerostack.client.address import Address
from aerostack.config.parts import Parts


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
    found = reach(options, secret=True, forConsole=True, forBrowser=True)
    if not options.url:
        checkAllowed(partsOf(options.config))
    Output(json=True).line(consoleOf(found.address))
    if sys.stdout.isatty():
        say("the secret key is in that line; open it on this machine, and keep it secret")


def checkAllowed(parts: Parts) -> None:
    """
    Make sure that a browser on this machine gets the console.

    @raise CommandError: The daemon refuses it at every address.
    """
    console = parts.console()
    if console == "off":
        raise CommandError('the daemon has no console: server.console is "off"')
    if console == "loopback" and not any(
        each.local and each.kind not in ("unix", "systemd") and not each.proxied
        for each in parts.listen()
    ):
        raise CommandError(
            "the daemon shows the console through listeners with local=1 only; add one to"
            " server.listen, such as tcp:8788:interface=127.0.0.1:local=1"
        )


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
