"""
The grammar of a PostgreSQL database's URL, as plain data
(U{https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS}).

No message here ever shows a part of the URL that may be the password's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from urllib.parse import quote, unquote

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

_URL = re.compile(
    r"(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?:/(?P<database>[^/?#]*))?(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?")
_ESCAPING = "a / ? # @ : or % in a name or password is written as %2F %3F %23 %40 %3A %25"


@dataclass(frozen=True)
class Conninfo:
    """
    What a URL says of how to connect.

    @ivar user: The role, as it is written, with the sign behind it.
    @ivar hosts: The servers, as they are written.
    @ivar database: The database's name, as it is written.
    @ivar query: The options behind the question mark, read.
    @ivar password: The password, if there is one; it is nowhere else.
    """

    scheme: str
    user: str
    hosts: str
    database: str
    query: Mapping[str, str]
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The URL, without its password."""
        query = "&".join(f"{name}={quote(value, '/,:')}" for name, value in self.query.items())
        url = f"{self.scheme}{self.user}{self.hosts}/{self.database}"
        return f"{url}?{query}" if query else url

    @property
    def options(self) -> dict[str, str]:
        """What libpq is told, by its own keywords; not the password."""
        hosts = [match for match in map(_HOST.fullmatch, self.hosts.split(",")) if match]
        found = {
            "user": unquote(self.user.removesuffix("@")),
            "host": ",".join(unquote(match["host"].strip("[]")) for match in hosts),
            "port": ",".join(match["port"] or "" for match in hosts),
            "dbname": unquote(self.database),
        }
        # Servers of which none is said in full are left to libpq; a name may be of commas.
        lists = ("host", "port")
        said = {k: v for k, v in found.items() if (v.strip(",") if k in lists else v)}
        return {**said, **self.query}

    def withFiles(self, locate: Callable[[str], str]) -> Conninfo:
        """
        The same, with every file that it names somewhere else.
        """
        moved = {
            # That is a word for the certificates that the system trusts.
            name: locate(value) if name in FILES and value != "system" else value
            for name, value in self.query.items()
        }
        return replace(self, query=moved)


def parseConninfo(url: str) -> Conninfo:
    """
    Take a URL apart.

    @raise ValueError: It is malformed; the message says where, and what is allowed.
    """
    scheme = next(scheme for scheme in SCHEMES if url.startswith(scheme))
    match = _URL.fullmatch(url, len(scheme))
    if match is None:
        raise ValueError(f"is malformed; {_ESCAPING}")
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", url):
        raise ValueError(f"has a % that begins no character; {_ESCAPING}")
    user, colon, written = (match["user"] or "").partition(":")
    password = unquote(written) if colon else None
    for host in match["hosts"].split(","):
        found = _HOST.fullmatch(host)
        if found is None or (found["port"] and not 0 < int(found["port"][:9]) < 65536):
            raise ValueError(
                "has a server that is no host:port, [IPv6]:port or one of these; several are"
                f" parted by commas, and {_ESCAPING}"
            )
    query = _query(match["query"] or "")
    password = query.pop("password", password)
    if not match["database"] and not query.get("dbname"):
        raise ValueError("names no database")
    return Conninfo(
        scheme,
        f"{user}@" if user else "",
        match["hosts"],
        match["database"] or "",
        query,
        password or None,
    )


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split("&") if text else ():
        name, equals, value = part.partition("=")
        if name not in OPTIONS or not equals:
            near = get_close_matches(name, OPTIONS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(OPTIONS)}"
            raise ValueError(f"has an option behind the '?' that is not known{hint}")
        if name in found:
            raise ValueError(f"has the option {name} twice")
        found[name] = unquote(value)
    mode = found.get("sslmode")
    if mode is not None and mode not in SSL_MODES:
        raise ValueError(f"has an sslmode that is none of {', '.join(SSL_MODES)}")
    return found
