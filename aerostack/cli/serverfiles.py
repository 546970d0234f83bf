"""
The text of a production configuration and of its unit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

STATE = "/var/lib/aerostack-rt"
"""The directory that systemd creates for the daemon."""

# What the shipped unit names, and an installation may have elsewhere.
_PROGRAMS = "/opt/aerostack-rt/bin/"
_CONFIG = "/etc/aerostack-rt/rt.toml"

_CAPABILITY = "CAP_NET_BIND_SERVICE"


@dataclass(frozen=True)
class Wanted:
    """
    What a server shall have.

    @ivar directory: The absolute directory of the configuration.
    @ivar programs: The directory of C{twistd} and C{aerostack-rt}.
    @ivar user: The system's user that the daemon runs as, and its group.
    @ivar project: The project's id.
    @ivar database: The URL of the database, without a password.
    @ivar password: Whether the database's password is in a file among the keys.
    @ivar tls: The files of the private key and of the certificate's chain; L{None} if a proxy on
        the machine terminates TLS.
    @ivar origins: The origins of the pages that may connect.
    @ivar tables: The tables that clients may watch.
    @ivar example: The file that explains every key.
    """

    directory: Path
    programs: Path
    user: str
    project: str
    database: str
    password: bool
    tls: tuple[Path, Path] | None
    origins: tuple[str, ...]
    tables: tuple[str, ...]
    example: Path

    @property
    def config(self) -> Path:
        """The configuration's file."""
        return self.directory / "rt.toml"

    @property
    def unit(self) -> Path:
        """The unit's file."""
        return self.directory / "aerostack-rt.service"

    def key(self, kind: str) -> Path:
        """The file of one of the project's keys: C{public}, C{secret} or C{jwt}."""
        return self.directory / "keys" / f"{self.project}.{kind}"

    @property
    def passwordFile(self) -> Path:
        """The file of the database's password."""
        return self.directory / "keys" / "database.password"


def configText(wanted: Wanted) -> str:
    """
    The configuration, with a comment on each decision that is the operator's.
    """
    project = wanted.project
    local = "tcp:8788:interface=127.0.0.1:local=1"
    if wanted.tls is None:
        listen = f"""\
# Clients come through a proxy on this machine, which terminates TLS (docs/deploying.rst).
# Without a proxy: "ssl:443:privateKey=tls/key.pem:certKey=tls/fullchain.pem"
# The second address is for programs on this machine alone: aerostack-rt, /metrics, the console.
listen = {_list("tcp:8787:interface=127.0.0.1", local)}
# The proxy, which names each client in X-Forwarded-For.
trusted_proxies = ["127.0.0.1"]"""
    else:
        key, chain = (_escape(path) for path in wanted.tls)
        listen = f"""\
# TLS for clients; a reload reads a renewed certificate.
# Behind a proxy that terminates TLS: "tcp:8787:interface=127.0.0.1" and trusted_proxies
# The second address is for programs on this machine alone: aerostack-rt, /metrics, the console.
listen = {_list(f"ssl:443:privateKey={key}:certKey={chain}", local)}"""
    password = '\npassword = { file = "keys/database.password" }' if wanted.password else ""
    return f"""\
# The configuration of a server. {wanted.example} explains every key.
# Paths are relative to this file. After a change, check it and reload:
#     {wanted.programs}/twistd aerostack-rt --config {wanted.config} --check
#     systemctl reload aerostack-rt

[server]
{listen}

[database]
# SQLite, or PostgreSQL: "postgresql://user@host/name?sslmode=verify-full"
url = {_text(wanted.database)}{password}

[tracker]
# The tables that clients may watch, such as ["orders"].
tables = {_list(*wanted.tables)}

[projects.{project}]
# Pages and apps send the public key. Your servers send the secret key, which has all rights.
public_key = {{ file = "keys/{project}.public" }}
secret_key = {{ file = "keys/{project}.secret" }}
# The origins of your pages, such as ["https://app.example.com"].
origins = {_list(*wanted.origins)}
# Users with a token may read the tables above. [tables] narrows rows and columns.
default_read = ["token"]

[projects.{project}.jwt]
# Your application signs its users' tokens with this secret, or see algorithm in the example.
algorithm = "HS256"
key = {{ file = "keys/{project}.jwt" }}
"""


def unitText(text: str, wanted: Wanted) -> str:
    """
    The unit of this installation.

    @param text: The unit that is shipped.
    """
    text = text.replace(_PROGRAMS, f"{wanted.programs}/").replace(_CONFIG, str(wanted.config))
    text = text.replace("User=aerostack-rt\n", f"User={wanted.user}\n")
    text = text.replace("Group=aerostack-rt\n", f"Group={wanted.user}\n")
    if wanted.tls is not None:
        # Port 443 without a socket unit, as the shipped unit's comment has it.
        text = text.replace(
            "\nCapabilityBoundingSet=\n", f"\nCapabilityBoundingSet={_CAPABILITY}\n"
        )
        text = text.replace(
            "\nPrivateUsers=yes\n", f"\nAmbientCapabilities={_CAPABILITY}\nPrivateUsers=no\n"
        )
    folder = databaseFolder(wanted.database)
    if folder is not None and not folder.is_relative_to(STATE):
        text = text.replace(
            "\nProtectSystem=strict\n", f"\nProtectSystem=strict\nReadWritePaths={folder}\n"
        )
    return text


def databaseFolder(url: str) -> Path | None:
    """
    The directory of an SQLite database; L{None} for another database.
    """
    _, found, path = url.partition("sqlite:///")
    return Path(path).parent if found else None


def nextCommands(wanted: Wanted, known: bool, root: bool) -> list[str]:
    """
    The commands that start the daemon.

    @param known: Whether the system has the user already.
    @param root: Whether the person is root, who has given the files to that user already.
    """
    sudo = "" if root else "sudo "
    twistd, unit = wanted.programs / "twistd", wanted.unit
    # The unit and its directory stay root's: systemd does as root what the unit says.
    hand = (
        f"{sudo}chgrp {wanted.user} {wanted.directory} {wanted.config}"
        f" && {sudo}chown -R {wanted.user}: {wanted.config.parent / 'keys'}"
    )
    account = f"{sudo}useradd --system --home-dir {STATE} --shell /usr/sbin/nologin {wanted.user}"
    commands = [
        f"{sudo}{twistd} aerostack-rt --config {wanted.config} --check",
        f"{sudo}systemctl enable --now {unit}",
    ]
    if not known:
        return [f"{account} && {hand}", *commands]
    if not root:
        return [hand, *commands]
    return [*commands, f"{wanted.programs}/aerostack-rt status --config {wanted.config}"]


def _escape(path: Path) -> str:
    """A path in an endpoint string."""
    return str(path).replace("\\", "\\\\").replace(":", "\\:")


def _text(value: str) -> str:
    """A string in TOML."""
    return json.dumps(value, ensure_ascii=False)


def _list(*values: str) -> str:
    """A list of strings in TOML."""
    return f"[{', '.join(map(_text, values))}]"
