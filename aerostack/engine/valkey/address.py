"""
The parts that the URL of a Valkey or Redis server may have, and the URL without its password.

No message here shows a part of the URL that may be the password's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import quote, unquote

SCHEMES = ("valkey", "redis", "valkeys", "rediss")
"""The schemes: the last two with TLS.  Each may be followed by L{SENTINEL}."""

SENTINEL = "+sentinel"

PORT = 6379
"""The server's port, where the URL names none."""

SENTINEL_PORT = 26379
"""A Sentinel's port, where the URL names none."""

MASTER = "mymaster"
"""The name of the master that Sentinels are asked for, where the URL names none."""

OPTIONS = ("master", "cafile")

_SECURE = ("valkeys", "rediss")
_SHAPE = re.compile(
    r"(?:(?P<user>[^/?#@]*)@)?(?P<hosts>[^/?#@]*)(?:/(?P<database>[^/?#@]*))?(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.-]+))(?::(?P<port>[0-9]{1,5}))?", re.A
)
_DATABASE = re.compile(r"[0-9]{1,5}")
_ESCAPING = "a / ? # @ : or % in a name or password is written as %2F %3F %23 %40 %3A %25"


class Host(NamedTuple):
    """
    A server to connect to.

    @ivar name: Its name or its IP address.
    @ivar port: Its TCP port.
    """

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True)
class ValkeyAddress:
    """
    The contents of a URL.

    @ivar hosts: The server, or all Sentinels.
    @ivar secure: Whether the connections use TLS.
    @ivar username: The user; L{None} for the server's default user.
    @ivar password: The password; L{None} for an address without one.
    @ivar sentinelPassword: The password for the Sentinels, which no URL has; L{None} if they ask
        for none.
    @ivar database: The number of the database.
    @ivar master: The name of the master that the Sentinels are asked for; L{None} without them.
    @ivar authorities: The path of a PEM file with the certificates of the authorities that are
        trusted; L{None} for those that the system trusts.
    """

    hosts: tuple[Host, ...]
    secure: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    master: str | None = None
    authorities: str | None = None
    sentinelPassword: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The URL, without its password."""
        scheme = "valkeys" if self.secure else "valkey"
        options = []
        if self.master is not None:
            scheme += SENTINEL
            options.append(f"master={quote(self.master, '')}")
        if self.authorities is not None:
            options.append(f"cafile={quote(self.authorities, '/')}")
        user = "" if self.username is None else f"{quote(self.username, '')}@"
        url = f"{scheme}://{user}{','.join(map(str, self.hosts))}/{self.database}"
        return f"{url}?{'&'.join(options)}" if options else url

    def withPassword(self, password: str) -> ValkeyAddress:
        """
        The same, with a password from elsewhere.

        @raise ValueError: The URL has a password too.
        """
        if self.password is not None:
            raise ValueError("has a password, and another one is configured; remove one of them")
        return replace(self, password=password)

    def withFiles(self, locate: Callable[[str], str]) -> ValkeyAddress:
        """
        The same, with the file that it names somewhere else.
        """
        if self.authorities is None:
            return self
        return replace(self, authorities=locate(self.authorities))


def parseAddress(url: str) -> ValkeyAddress:
    """
    Parse and check a URL.

    @raise ValueError: The URL is malformed, or has a part that is not allowed; the message says
        where, and what is allowed.
    """
    scheme, separator, rest = url.partition("://")
    base = scheme.removesuffix(SENTINEL)
    if not separator or base not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ValueError(f"begins with none of {known}; {SENTINEL} may stand before the ://")
    match = _SHAPE.fullmatch(rest)
    if match is None:
        raise ValueError(f"is malformed; {_ESCAPING}")
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", rest):
        raise ValueError(f"has a % that begins no character; {_ESCAPING}")
    hosts = match["hosts"].split(",")
    sentinel = base != scheme or len(hosts) > 1
    options = _options(match["query"] or "")
    if "master" in options and not sentinel:
        raise ValueError(
            f"names a master, but one server; write {base}{SENTINEL}:// if that is a Sentinel"
        )
    if "cafile" in options and base not in _SECURE:
        raise ValueError(f"names a cafile, but uses no TLS; write {base}s://")
    if not _DATABASE.fullmatch(match["database"] or "0"):
        raise ValueError(
            "has a database that is no number; behind the servers comes /0, for example"
        )
    username, _, password = (match["user"] or "").partition(":")
    return ValkeyAddress(
        tuple(_host(host, SENTINEL_PORT if sentinel else PORT) for host in hosts),
        base in _SECURE,
        unquote(username) or None,
        unquote(password) or None,
        int(match["database"] or "0"),
        options.get("master", MASTER) if sentinel else None,
        options.get("cafile"),
    )


def _host(text: str, port: int) -> Host:
    match = _HOST.fullmatch(text)
    number = int(match["port"] or port) if match else 0
    if match is None or not 0 < number < 65536:
        raise ValueError(
            "has a server that is no host:port, [IPv6]:port or one of these; several Sentinels are"
            f" parted by commas, and {_ESCAPING}"
        )
    return Host(match["six"] or match["name"], number)


def _options(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if name not in OPTIONS or not value:
            near = get_close_matches(name, OPTIONS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(OPTIONS)}"
            raise ValueError(f"has an option behind the '?' that is not known, or empty{hint}")
        if name in found:
            raise ValueError(f"has the option {name} twice")
        found[name] = unquote(value)
    return found
