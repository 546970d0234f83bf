"""
The grammar of C{server.listen}: Twisted's endpoint strings, as plain data.

An option is C{name=value}, colons separate options, and a backslash escapes the character after it,
as in L{twisted.internet.endpoints}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aerostack.settings.addresses import isLoopback

BACKLOG = "4096"
"""How many connections may wait to be accepted: as many as Linux allows by default
(C{net.core.somaxconn}).  Twisted's 50 places are soon taken when all clients come back after a
restart, and a client that finds no place loses a second."""

# The value of the first option may be written without "name=".
_OPTIONS: dict[str, tuple[str, ...]] = {
    "tcp": ("port", "interface", "backlog", "local"),
    "tcp6": ("port", "interface", "backlog", "local"),
    "ssl": ("port", "privateKey", "certKey", "extraCertChain", "interface", "backlog", "local"),
    "unix": ("address", "mode", "backlog", "lockfile", "local"),
    "systemd": ("domain", "index", "name", "privateKey", "certKey", "extraCertChain", "local"),
}
_REQUIRED: dict[str, tuple[str, ...]] = {
    "tcp": ("port",),
    "tcp6": ("port",),
    "ssl": ("port", "privateKey"),
    "unix": ("address",),
    "systemd": ("domain",),
}
_DEFAULTS: dict[str, dict[str, str]] = {
    "tcp": {"interface": "", "backlog": BACKLOG},
    "tcp6": {"interface": "::", "backlog": BACKLOG},
    "ssl": {"interface": "", "backlog": BACKLOG},
    "unix": {"mode": "660", "backlog": BACKLOG, "lockfile": "1"},
    "systemd": {},
}
_DOMAINS = ("INET", "INET6", "UNIX")


@dataclass(frozen=True)
class Description:
    """
    A parsed and checked endpoint string.  No socket and no file was opened.

    @ivar text: The string as it was written.
    @ivar kind: Its prefix, one of C{tcp}, C{tcp6}, C{ssl}, C{unix}, C{systemd}.
    @ivar options: Every option that was given or has a default.
    @ivar proxied: Whether a proxy names the client of each connection, by the PROXY protocol.
    """

    text: str
    kind: str
    options: Mapping[str, str]
    proxied: bool

    @property
    def local(self) -> bool:
        """Whether the operator guarantees that only programs on this machine reach the address."""
        return self.options.get("local") == "1"

    @property
    def place(self) -> str:
        """Where it listens, without what else was given, such as the paths of files."""
        named = ("port", "interface", "address", "domain", "index", "name")
        values = [self.options[name] for name in named if self.options.get(name)]
        return ":".join((self.kind, *values))


def _split(text: str) -> list[tuple[str | None, str]]:
    """
    Take a string apart at its colons, and each part at its first equals sign.

    A backslash takes the meaning from the character after it.

    @return: A name, or L{None} where there was no equals sign, and a value for each
        part.
    @raise ValueError: Nothing follows the last backslash.
    """
    parts: list[tuple[str | None, str]] = []
    name: str | None = None
    value = ""
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise ValueError(f"{text}: a backslash stands at the end; write two for one")
            value += escaped
        elif character == ":":
            parts.append((name, value))
            name, value = None, ""
        elif character == "=" and name is None:
            name, value = value, ""
        else:
            value += character
    parts.append((name, value))
    return parts


def _number(text: str, option: str, value: str, base: int, least: int, most: int) -> None:
    try:
        number = int(value, base)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        spell = oct if base == 8 else str
        raise ValueError(
            f"{text}: {option} is {value!r}, but must be a number from {spell(least)} to"
            f" {spell(most)}"
        )


def parseDescription(text: str) -> Description:
    """
    Parse an endpoint string, and check everything that can be checked without opening files.

    @raise ValueError: The string is malformed; the message says where, and what is allowed there.
    """
    (prefixName, kind), *parts = _split(text)
    proxied = (prefixName, kind) == (None, "haproxy") and bool(parts)
    if proxied:
        (prefixName, kind), *parts = parts
    if prefixName is not None or kind not in _OPTIONS:
        raise ValueError(
            f"{text}: must begin with one of "
            + ", ".join(f"{known}:" for known in _OPTIONS)
            + ", behind haproxy: where a proxy speaks the PROXY protocol"
        )
    allowed = _OPTIONS[kind]
    given: dict[str, str] = {}
    for place, (name, value) in enumerate(parts):
        if name is None:
            if place > 0:
                raise ValueError(f"{text}: {value!r} must be written name=value")
            name = allowed[0]
        if name not in allowed:
            raise ValueError(
                f"{text}: unknown option {name!r}; {kind}: takes " + ", ".join(allowed)
            )
        if name in given:
            raise ValueError(f"{text}: {name} is given twice")
        given[name] = value
    for name in _REQUIRED[kind]:
        if not given.get(name):
            raise ValueError(f"{text}: {name} is missing")

    options = {**_DEFAULTS[kind], **given}
    _checkValues(text, options)
    if proxied and options.get("local") == "1":
        raise ValueError(f"{text}: local=1 is for this machine only, and haproxy: for others")
    return Description(text, kind, options, proxied)


def _checkValues(text: str, options: Mapping[str, str]) -> None:
    """
    Check the options whose values have a certain form.
    """
    bounds = {
        "port": (10, 0, 65535),
        "backlog": (10, 1, 65535),
        "mode": (8, 0, 0o777),
        "lockfile": (10, 0, 1),
        "local": (10, 0, 1),
        "index": (10, 0, 65535),
    }
    for option, (base, least, most) in bounds.items():
        if option in options:
            _number(text, option, options[option], base, least, most)
    interface = options.get("interface")
    if options.get("local") == "1" and interface is not None and not isLoopback(interface):
        raise ValueError(f"{text}: local=1 wants interface=127.0.0.1 or interface=\\:\\:1")
    domain = options.get("domain")
    if domain is not None:
        if domain not in _DOMAINS:
            raise ValueError(
                f"{text}: domain is {domain!r}, but must be one of " + ", ".join(_DOMAINS)
            )
        if ("index" in options) == ("name" in options):
            raise ValueError(f"{text}: give either index or name of the socket, one of the two")
    if "privateKey" not in options:
        for option in ("certKey", "extraCertChain"):
            if option in options:
                raise ValueError(f"{text}: {option} is given, but privateKey is missing")
    for option in ("privateKey", "certKey", "extraCertChain", "name"):
        if options.get(option) == "":
            raise ValueError(f"{text}: {option} is empty")
