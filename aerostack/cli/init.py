"""
C{init}: write a configuration to begin with.
"""

from __future__ import annotations

import argparse
import os
import pwd
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from aerostack.cli.obstacles import accountOf, obstacles
from aerostack.cli.options import CommandError
from aerostack.cli.output import say
from aerostack.cli.serverfiles import (
    STATE,
    Wanted,
    configText,
    databaseFolder,
    nextCommands,
    unitText,
)
from aerostack.cli.shipped import shipped
from aerostack.config.loader import load
from aerostack.config.secrets import Pending

LOCAL = Path("etc/rt.toml")
"""Where the configuration of one's own machine is, under the current directory.  The daemon and the
commands look for it there."""

SERVER = Path("/etc/aerostack-rt")
"""The directory of a server's configuration."""

_UNIT = "systemd/aerostack-rt.service"


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        f"Writes {LOCAL}, a configuration for this machine alone, which needs no keys."
        f" With --server, writes a production configuration with new keys and a systemd unit"
        f" into {SERVER}, or another DIRECTORY, and says how to go on. Overwrites nothing."
    )
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIRECTORY")
    parser.add_argument("--server", action="store_true", help="for a server")
    server = parser.add_argument_group("options of --server")
    server.add_argument("--project", default="app", help="the project's id; app")
    server.add_argument(
        "--database",
        default=f"sqlite:///{STATE}/rt.db",
        metavar="URL",
        help="sqlite:////absolute/path.db or postgresql://user@host/name; %(default)s",
    )
    server.add_argument(
        "--tls",
        nargs=2,
        type=Path,
        metavar=("KEY", "CHAIN"),
        help="serve TLS on port 443 with these files; without it a proxy on this machine does",
    )
    server.add_argument(
        "--origin", action="append", default=[], help="an origin of your pages; may be repeated"
    )
    server.add_argument(
        "--table", action="append", default=[], help="a table to watch; may be repeated"
    )
    server.add_argument(
        "--user", default="aerostack-rt", help="the system's user for the daemon; %(default)s"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.server:
        _initServer(options)
    else:
        _initLocal(options)


def _initLocal(options: argparse.Namespace) -> None:
    path = (options.directory or Path()) / LOCAL
    _refuse([path])
    _write(path, shipped(str(LOCAL)).read_text("utf-8"), 0o644)
    print(f"Wrote {path}.  Start the daemon in {path.parents[1].absolute()}:")
    print(f"    {_programs() / 'twistd'} --nodaemon --pidfile= aerostack-rt")


def _initServer(options: argparse.Namespace) -> None:
    url, password = splitPassword(options.database)
    for what, value, pattern in (
        ("--project", options.project, r"[A-Za-z0-9_-]{1,64}"),
        ("--user", options.user, r"[a-z_][a-z0-9_-]{0,31}"),
    ):
        if not re.fullmatch(pattern, value):
            raise CommandError(f"{what} {value!r} is no name; it must match {pattern}")
    folder = databaseFolder(url)
    if folder is not None and not folder.is_absolute():
        raise CommandError(
            f"--database {url}: the path of a server's database is absolute, as in"
            f" sqlite:///{STATE}/rt.db"
        )
    wanted = Wanted(
        directory=(options.directory or SERVER).absolute(),
        programs=_programs(),
        user=options.user,
        project=options.project,
        database=url,
        password=password is not None,
        tls=None if options.tls is None else (options.tls[0].absolute(), options.tls[1].absolute()),
        origins=tuple(options.origin),
        tables=tuple(options.table),
        example=shipped("etc/rt.example.toml"),
    )
    unit = unitText(shipped(_UNIT).read_text("utf-8"), wanted)
    keys = [wanted.key(kind) for kind in ("public", "secret", "jwt")]
    _refuse([wanted.config, wanted.unit, *keys, wanted.passwordFile])
    # The keys come last, so that an error before them leaves no secret behind.
    _write(wanted.config, configText(wanted), 0o640, folder=0o750)
    _write(wanted.unit, unit, 0o644)
    try:
        for path, prefix in zip(keys, ("pk_", "sk_", ""), strict=True):
            Pending(path, prefix).generate()
    except OSError as error:
        # A full disk names no file.
        raise CommandError(f"cannot write {error.filename or path}: {error.strerror}") from None
    if password is not None:
        _write(wanted.passwordFile, f"{password}\n", 0o600)
    known = _handOver(wanted)
    print(
        f"Wrote {wanted.config} and {wanted.unit.name} beside it, with new keys in"
        f" {keys[0].parent}.  Next:"
    )
    for command in nextCommands(wanted, known, os.geteuid() == 0):
        print(f"    {command}")
    for obstacle in obstacles(wanted, accountOf(wanted.user)):
        say(obstacle)
    # A mistake in what was given is best told now.
    load(wanted.config, os.environ)


def splitPassword(url: str) -> tuple[str, str | None]:
    """
    Take the password out of a database's URL.

    @return: The URL without it, and the password.
    """
    parts = urlsplit(url)
    user, given, servers = parts.netloc.rpartition("@")
    name, found, password = user.partition(":")
    if not (given and found):
        return url, None
    return parts._replace(netloc=f"{name}@{servers}").geturl(), unquote(password)


def _programs() -> Path:
    """The directory of the programs of this installation."""
    return Path(sys.executable).parent


def _refuse(paths: list[Path]) -> None:
    """
    @raise CommandError: One of the files exists.
    """
    present = [str(path) for path in paths if os.path.lexists(path)]
    if present:
        raise CommandError(
            f"{' and '.join(present)}: there already, and nothing is overwritten; move it away, or"
            " give another DIRECTORY"
        )


def _write(path: Path, text: str, mode: int, folder: int = 0o755) -> None:
    """
    Write a new file.

    @param mode: The file's permissions.
    @param folder: The permissions of its directory, if that is new.
    @raise CommandError: The file cannot be written.
    """
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            path.parent.chmod(folder)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            # Whatever the umask is.
            os.fchmod(descriptor, mode)
    except PermissionError as error:
        raise CommandError(
            f"cannot write {path}: {error.strerror}; run it with sudo, or give another DIRECTORY"
        ) from None
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from None


def _handOver(wanted: Wanted) -> bool:
    """
    Let the daemon's user own what it reads, if there is such a user and we may.

    @return: Whether there is such a user.
    """
    try:
        user = pwd.getpwnam(wanted.user)
    except KeyError:
        return False
    if os.geteuid() == 0:
        # The same as in nextCommands.
        for path in (wanted.directory, wanted.config):
            os.chown(path, -1, user.pw_gid)
        keys = wanted.directory / "keys"
        for path in (keys, *keys.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
    return True
