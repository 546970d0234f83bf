"""
C{detach}: remove everything of the daemon from the database.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from aerostack.cli.formats import plain
from aerostack.cli.options import CommandError, addAddress, orElse, partsOf
from aerostack.cli.output import say
from aerostack.cli.places import doorOf
from aerostack.cli.reach import reach
from aerostack.client.errors import ClientError
from aerostack.config.parts import Parts
from aerostack.config.problems import ConfigError
from aerostack.databases.backend import Backend, Unusable
from aerostack.databases.holdings import Holding, lossOf
from aerostack.databases.open import openBackend
from aerostack.process.control import isRunning
from aerostack.settings.settings import DatabaseConfig

_PATIENCE = 2.0
"""Seconds in which a daemon that runs answers."""


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Takes the triggers and tables that the daemon has put into the database out"
        " again, kept messages among them. Stop the daemon first. On a terminal it asks before it"
        " deletes what cannot be made again."
    )
    parser.add_argument("--keep-history", action="store_true", help="leave the kept messages")
    parser.add_argument(
        "--dry-run", action="store_true", help="only say what would be removed, and what would stay"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--force", action="store_true", help="even if the daemon seems to run")
    addAddress(parser, token=False)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    parts = partsOf(options.config)
    backend = openBackend(_database(parts))
    try:
        before = backend.survey()
        going = [each for each in before if not (options.keep_history and each.isHistory)]
        if options.dry_run:
            _tell("would remove", going)
            _tell("would leave", (each for each in before if each not in going))
            return
        if not options.force:
            _checkStopped(options, parts, backend)
        if going:
            _confirm(backend.name, going, options.yes)
            backend.remove(options.keep_history)
        after = backend.survey()
    except Unusable as error:
        raise CommandError(str(error)) from None
    names = {each.name for each in after}
    gone = [each for each in before if each.name not in names]
    _tell("removed", gone)
    _tell("left", after)
    if not gone:
        print("Nothing to remove.")
    elif not after:
        print(f"{backend.name} holds nothing of aerostack-rt's any more.")


def _database(parts: Parts) -> DatabaseConfig:
    try:
        return parts.database()
    except ConfigError as error:
        password = os.environ.get("PGPASSWORD")
        if not password:
            problems = "; ".join(map(str, error.problems))
            raise CommandError(f"{problems}{orElse('PGPASSWORD')}") from None
        return parts.database(password)


def _tell(what: str, holdings: Iterable[Holding]) -> None:
    for each in holdings:
        print(plain(f"{what} {each}"))


def _confirm(name: str, going: Iterable[Holding], isSure: bool) -> None:
    """
    Ask whether to delete what cannot be made again.

    @raise CommandError: The person does not want that, or cannot be asked.
    """
    loss = lossOf(going)
    if not loss or isSure:
        return
    if not sys.stdin.isatty():
        raise CommandError(
            f"this deletes {loss} from {name}; give --yes to delete them, --keep-history to leave"
            " messages, or --dry-run to look first"
        )
    say(f"this deletes {loss} from {name}")
    print("Type yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise CommandError("nothing was removed")


def _checkStopped(options: argparse.Namespace, parts: Parts, backend: Backend) -> None:
    """
    Make sure that no daemon runs, as far as can be seen from here.

    @raise CommandError: One does.
    """
    for where in _running(options, parts, backend):
        raise CommandError(
            f"the daemon seems to be running: {where}. It would put everything back; stop it first,"
            " or give --force"
        )


def _running(options: argparse.Namespace, parts: Parts, backend: Backend) -> Iterable[str]:
    """What looks like a daemon that runs."""
    if isRunning(parts.path):
        yield f"a process on this machine runs on {parts.path}"
    for description in parts.listen():
        if _answers(doorOf(description, parts.path.parent)):
            yield f"there is an answer at {description.text}"
    if options.url:
        try:
            reach(options, keyless=True).sdk(_PATIENCE).health()
            yield f"there is an answer at {options.url}"
        except ClientError as error:
            if error.code == "tls_failed":
                raise
            if error.code != "unreachable":
                yield f"there is an answer at {options.url}"
    yield from backend.daemons()


def _answers(door: tuple[str, int] | Path | None) -> bool:
    """Whether a process listens at an address of this machine."""
    try:
        if isinstance(door, Path):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_PATIENCE)
                probe.connect(str(door))
        elif door is not None:
            socket.create_connection(door, _PATIENCE).close()
    except OSError:
        return False
    return door is not None
