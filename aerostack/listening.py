"""
The grammar of C{server.listen}: checks an endpoint string without opening it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aerostack.credentials import suggest, within

# sun_path holds 108 bytes, the last of which is NUL: unix(7).
_UNIX_PATH = 107


@dataclass(frozen=True)
class _Endpoint:
    """
    What one prefix takes.

    @ivar positional: The options that may stand without their names, in order.
    @ivar options: Every option, with what checks its value.
    """

    positional: tuple[str, ...]
    required: tuple[str, ...] = ()
    options: dict[str, Callable[[str], str | None]] = field(default_factory=dict)


def _integer(least: int, most: int) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        good = value.isascii() and value.isdigit() and least <= int(value[:12]) <= most
        return None if good else f"a whole number from {least} to {most}"

    return check


def _word(*choices: str) -> Callable[[str], str | None]:
    return lambda value: None if value in choices else f"one of {', '.join(choices)}"


def _octal(value: str) -> str | None:
    good = 3 <= len(value) <= 4 and set(value) <= set("01234567")
    return None if good else "an octal file mode such as 660"


def _anything(value: str) -> str | None:
    return None if value else "something"


_PORT = {"port": _integer(0, 65535), "interface": _anything, "backlog": _integer(1, 65535)}
_TLS = {"privateKey": _anything, "certKey": _anything, "extraCertChain": _anything}
_ENDPOINTS = {
    "tcp": _Endpoint(("port",), ("port",), _PORT),
    "tcp6": _Endpoint(("port",), ("port",), _PORT),
    "ssl": _Endpoint(("port",), ("port", "privateKey"), _PORT | _TLS),
    "unix": _Endpoint(
        ("address",),
        ("address",),
        {
            "address": _anything,
            "mode": _octal,
            "backlog": _integer(1, 65535),
            "lockfile": _word("0", "1"),
        },
    ),
    "systemd": _Endpoint(
        (),
        ("domain",),
        {
            "domain": _word("INET", "INET6", "UNIX"),
            "index": _integer(0, 65535),
            "name": _anything,
            **_TLS,
        },
    ),
}


def resolveEndpoint(description: str, base: Path) -> str:
    """
    Check an endpoint string and make its paths absolute.

    @param base: The directory that relative paths begin at.
    @return: The endpoint string, to the same effect from any working directory.
    @raise ValueError: It cannot be listened on; the message says why.
    """
    prefix, *words = _split(description)
    endpoint = _ENDPOINTS.get(prefix[0]) if len(prefix) == 1 else None
    if endpoint is None:
        raise ValueError(f"has no known prefix; allowed are {': '.join(_ENDPOINTS)}:")
    values = _options(endpoint, words)
    for name in endpoint.required:
        if name not in values:
            raise ValueError(f"lacks its {name}")
    if prefix[0] == "systemd" and ("index" in values) == ("name" in values):
        raise ValueError("must have either index or name")
    if prefix[0] == "systemd" and values.keys() & _TLS and "privateKey" not in values:
        raise ValueError("lacks its privateKey")
    for name, value in values.items():
        problem = endpoint.options[name](value)
        if problem is not None:
            raise ValueError(f"has {name}={value}; allowed is {problem}")
        if name in _TLS:
            values[name] = str(_readable(within(base, value), name))
        elif name == "address":
            values[name] = str(_address(within(base, value)))
    return _join(prefix[0], endpoint, values)


def _options(endpoint: _Endpoint, words: list[tuple[str, ...]]) -> dict[str, str]:
    values: dict[str, str] = {}
    positional = iter(endpoint.positional)
    for word in words:
        name = next(positional, None) if len(word) == 1 else word[0]
        if name is None:
            raise ValueError(f"does not take {word[0]!r} there; write \\: for a colon in a value")
        if name not in endpoint.options:
            known = list(endpoint.options)
            raise ValueError(
                f"has an unknown option {name!r}{suggest(name, known)};"
                f" allowed are {', '.join(known)}"
            )
        if name in values:
            raise ValueError(f"has {name} twice")
        values[name] = word[-1]
    return values


def _split(description: str) -> list[tuple[str, ...]]:
    # Colons part the words and the first '=' a name from its value; a backslash
    # takes the meaning from what follows, as in twisted.internet.endpoints.
    words = [[""]]
    characters = iter(description)
    for character in characters:
        if character == ":":
            words.append([""])
        elif character == "=" and len(words[-1]) == 1:
            words[-1].append("")
        elif character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise ValueError("ends in a backslash that escapes nothing")
            words[-1][-1] += escaped
        else:
            words[-1][-1] += character
    return [tuple(word) for word in words]


def _join(prefix: str, endpoint: _Endpoint, values: dict[str, str]) -> str:
    words = [prefix]
    for name, value in values.items():
        escaped = value.replace("\\", "\\\\").replace(":", "\\:")
        if name in endpoint.positional:
            words.append(escaped.replace("=", "\\="))
        else:
            words.append(f"{name}={escaped}")
    return ":".join(words)


def _readable(path: Path, name: str) -> Path:
    try:
        with open(path, "rb"):
            return path
    except OSError as error:
        raise ValueError(f"has a {name} that cannot be read ({error.strerror}): {path}") from None


def _address(path: Path) -> Path:
    if len(os.fsencode(path)) > _UNIX_PATH:
        raise ValueError(f"has a socket path of more than {_UNIX_PATH} bytes: {path}")
    return path
