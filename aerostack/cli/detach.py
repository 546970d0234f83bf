"""
C{detach}: everything of the daemon's out of the database.
"""

from __future__ import annotations

import argparse
import socket
import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

from aerostack.cli.options import CommandError, addConfig, loadConfig
from aerostack.client.address import urlsOf
from aerostack.storage.schema import remove as removeMessages
from aerostack.tracker.sqlite import SQLiteJournal


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Say what the command is told.
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
    path = config.database.path
    if not path.exists():
        raise CommandError(f"there is no database at {path}")
    if not options.force:
        for url in urlsOf(config):
            if _answers(url):
                raise CommandError(
                    f"the daemon seems to be running: somebody answers at {url}. It would put"
                    " everything back; stop it first, or give --force"
                )
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            cursor = connection.cursor()
            names = SQLiteJournal().remove(cursor)
            if not options.keep_history:
                names += removeMessages(cursor)
    except sqlite3.Error as error:
        raise CommandError(f"{path}: {error}") from None
    for name in names:
        print(f"removed {name}")
    print(f"{path} holds nothing of aerostack-rt's any more." if names else "Nothing to remove.")


def _answers(url: str) -> bool:
    """Whether somebody listens at an address of this machine."""
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
