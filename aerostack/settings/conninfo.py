"""
The parts that the URL of a PostgreSQL database may have, and the URL without its password
(U{https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS}).

libpq takes the URL apart: L{aerostack.databases.postgres.connection.conninfoOf} hands its reader
in, which not every installation has.  The checks are ours.  libpq's messages quote the URL, and
libpq takes a part of a password that was not escaped for a server's or a database's name; no
message here shows a part of the URL that may be the password's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from urllib.parse import quote

SCHEMES = ("postgresql://", "postgres://")

FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
"""The options that name files."""

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# How to find the server and how to be let in.  How to behave there, and when to give up
# waiting, is the daemon's to say.
OPTIONS = (
    *("host", "hostaddr", "port", "user", "dbname", "password"),
    *("sslmode", "sslnegotiation", "sslsni", "ssl_min_protocol_version"),
    *FILES,
    *("channel_binding", "require_auth", "requirepeer", "gssencmode", "krbsrvname"),
    *("target_session_attrs", "load_balance_hosts"),
)

# Where parts of a URL begin and end: what holds one of these signs inside has to be escaped.
_SHAPE = re.compile(r"(?:[^/?#@]*@)?[^/?#@]*(?:/[^/?#@]*)?(?:\?(?P<query>[^#]*))?")
_NAME = re.compile(r"[\w.:%-]+", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}")
_ESCAPING = "a / ? # @ : or % in a name or password is written as %2F %3F %23 %40 %3A %25"


@dataclass(frozen=True)
class Conninfo:
    """
    The contents of a URL.

    @ivar options: The options for libpq by its keywords, without the password.
    @ivar password: The password; L{None} for an address without one.  No other attribute has it.
    """

    options: Mapping[str, str]
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The URL, without its password."""
        rest = dict(self.options)
        user, database = (quote(rest.pop(name, ""), "") for name in ("user", "dbname"))
        names = rest.get("host", "").split(",")
        ports = rest.get("port", ",".join("" for _ in names)).split(",")
        servers = ""
        # A folder of sockets, for example, is no server's name.
        if len(names) == len(ports) and all(map(_NAME.fullmatch, names)):
            rest = {name: rest[name] for name in rest if name not in ("host", "port")}
            servers = ",".join(map(_server, names, ports))
        query = "&".join(f"{name}={quote(value, '/,:')}" for name, value in rest.items())
        url = f"{SCHEMES[0]}{user and f'{user}@'}{servers}/{database}"
        return f"{url}?{query}" if query else url

    def withFiles(self, locate: Callable[[str], str]) -> Conninfo:
        """
        The same, with every file that it names somewhere else.
        """
        moved = {
            # This word means the certificates that the system trusts.
            name: locate(value) if name in FILES and value != "system" else value
            for name, value in self.options.items()
        }
        return replace(self, options=moved)


def _server(name: str, port: str) -> str:
    written = f"[{quote(name, ':')}]" if ":" in name else quote(name)
    return f"{written}:{port}" if port else written


def parseConninfo(url: str, read: Callable[[str], Mapping[str, str]]) -> Conninfo:
    """
    Parse and check a URL.

    @param read: libpq's parser.  It returns a URL's contents by libpq's keywords, and raises
        L{ValueError} if the URL is malformed.
    @raise ValueError: The URL is malformed, or has a part that is not allowed; the message says
        where, and what is allowed.
    """
    scheme = next(scheme for scheme in SCHEMES if url.startswith(scheme))
    match = _SHAPE.fullmatch(url, len(scheme))
    if match is None:
        raise ValueError(f"is malformed; {_ESCAPING}")
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", url):
        raise ValueError(f"has a % that begins no character; {_ESCAPING}")
    _checkNames(match["query"] or "")
    try:
        # libpq refuses a space with a message that has no other cause here.
        options = {name: value for name, value in read(url.replace(" ", "%20")).items() if value}
    except ValueError:
        raise ValueError(f"cannot be read by libpq; {_ESCAPING}") from None
    password = options.pop("password", None)
    for port in options.get("port", "").split(","):
        if port and not (_PORT.fullmatch(port) and 0 < int(port) < 65536):
            raise ValueError(
                "has a server that is no host:port, [IPv6]:port or one of these; several are"
                f" parted by commas, and {_ESCAPING}"
            )
    if options.get("sslmode", SSL_MODES[0]) not in SSL_MODES:
        raise ValueError(f"has an sslmode that is none of {', '.join(SSL_MODES)}")
    if "dbname" not in options:
        raise ValueError("names no database")
    return Conninfo(options, password)


def _checkNames(query: str) -> None:
    """
    Make sure that the options behind the question mark are known, and each there once.
    """
    found: set[str] = set()
    for part in query.split("&") if query else ():
        name, equals, _ = part.partition("=")
        if name not in OPTIONS or not equals:
            near = get_close_matches(name, OPTIONS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(OPTIONS)}"
            raise ValueError(f"has an option behind the '?' that is not known{hint}")
        if name in found:
            raise ValueError(f"has the option {name} twice")
        found.add(name)
