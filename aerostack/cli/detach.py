"""
C{detach}: remove everything of the daemon from the database.
"""

from __future__ import annotations

import argparse
import socket
from urllib.parse import urlsplit

from aerostack.cli.options import CommandError, addConfig, loadConfig
from aerostack.client.address import urlsOf
from aerostack.databases.backend import Unusable
from aerostack.databases.open import openBackend


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Takes the triggers and tables that the daemon has put into the database out"
        " again, kept messages among them. Stop the daemon first."
    )
    parser.add_argument("--keep-history", action="store_true", help="leave the kept messages")
    parser.add_argument("--force", action="store_true", help="even if the daemon seems to run")
    addConfig(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    config = loadConfig(options.config)
    backend = openBackend(config.database)
    if not options.force:
        for url in urlsOf(config, proxied=True):
            if _answers(url):
                raise CommandError(
                    f"the daemon seems to be running: there is an answer at {url}. It would put"
                    " everything back; stop it first, or give --force"
                )
    try:
        names = backend.remove(options.keep_history)
    except Unusable as error:
        raise CommandError(str(error)) from None
    for name in names:
        print(f"removed {name}")
    holds = f"{backend.name} holds nothing of aerostack-rt's any more."
    print(holds if names else "Nothing to remove.")


def _answers(url: str) -> bool:
    """Whether a process listens at an address of this machine."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "ws+unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(2)
                probe.connect(parts.path)
        else:
            socket.create_connection((parts.hostname or "", parts.port or 0), 2).close()
    except OSError:
        return False
    return True
