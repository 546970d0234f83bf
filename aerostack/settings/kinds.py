"""
The kinds of values that a setting may have.

A kind describes the allowed values in words, and reads a TOML value by the same rule, so that the
two always agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Protocol

_SHOWN = 60
_LARGE = 1e18
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>(\*\.)?[a-z0-9_.-]+|\[[0-9a-f:.]+\])"
    r"(:(?P<port>\*|\d{1,5}))?"
)
_PORTS = {"http": "80", "https": "443"}


class Kind(Protocol):
    """A kind of values."""

    def allowed(self) -> str:
        """
        @return: A description of the allowed values that fits after C{allowed is}.
        """

    def read(self, found: Any) -> Any:
        """
        Turn a TOML value into the setting's.

        @raise ValueError: The value is not allowed; the message says what was found.
        """


def describe(found: object) -> str:
    """
    Describe the type of a value without showing the value, which may be a credential in the wrong
    place.
    """
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | float):
        return str(found) if abs(found) < _LARGE else "a very large number"
    names: dict[type, str] = {str: "a string", list: "a list", dict: "a table"}
    return names.get(type(found), "a date or time")


def show(found: str) -> str:
    """
    Quote a string that is not a credential, and shorten it if it is long.
    """
    return repr(found if len(found) <= _SHOWN else found[:_SHOWN] + "…")


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    def allowed(self) -> str:
        return "true or false"

    def read(self, found: Any) -> bool:
        if not isinstance(found, bool):
            raise ValueError(describe(found))
        return found


@dataclass(frozen=True)
class Number:
    """
    A number in a range.

    @ivar unit: The unit, in the plural.
    @ivar whole: Whether the number must be whole.
    @ivar endless: Whether 0 means no limit and is read as L{None}.
    """

    unit: str
    minimum: float
    maximum: float
    whole: bool = True
    endless: bool = False

    def allowed(self) -> str:
        number = "a whole number" if self.whole else "a number"
        endless = ", or 0 for no limit" if self.endless else ""
        return f"{number} of {self.unit} from {self.minimum} to {self.maximum}{endless}"

    def read(self, found: Any) -> float | None:
        types = int if self.whole else int | float
        if isinstance(found, bool) or not isinstance(found, types):
            raise ValueError(describe(found))
        if self.endless and found == 0:
            return None
        if not self.minimum <= found <= self.maximum:
            raise ValueError(describe(found))
        return found if self.whole else float(found)


@dataclass(frozen=True)
class NumberOrWord:
    """
    A number, or a word that stands for one.
    """

    number: Number
    word: str

    def allowed(self) -> str:
        return f"{self.number.allowed()}, or {self.word!r}"

    def read(self, found: Any) -> Any:
        if isinstance(found, str):
            if found != self.word:
                raise ValueError(show(found))
            return found
        return self.number.read(found)


@dataclass(frozen=True)
class Word:
    """One of a few words."""

    choices: tuple[str, ...]

    def allowed(self) -> str:
        return f"one of {', '.join(self.choices)}"

    def read(self, found: Any) -> str:
        if not isinstance(found, str):
            raise ValueError(describe(found))
        if found not in self.choices:
            raise ValueError(show(found))
        return found


@dataclass(frozen=True)
class Text:
    """
    A string that is not empty.

    @ivar what: A description of the string, with its article.
    @ivar private: Whether the string may hold a credential, so that messages do not show it.
    """

    what: str
    private: bool = False

    def allowed(self) -> str:
        return self.what

    def read(self, found: Any) -> str:
        if not isinstance(found, str):
            raise ValueError(describe(found))
        if not found or not found.isprintable():
            raise ValueError(describe(found) if self.private else show(found))
        return found


@dataclass(frozen=True)
class Origin:
    """
    A web page's origin, or C{*} for every page's.

    It is read into the form in which a browser sends it: in lower case, without
    the scheme's own port.
    """

    def allowed(self) -> str:
        return (
            "an origin such as 'https://app.example.com', 'https://*.example.com' or"
            " 'http://localhost:*', or just '*'"
        )

    def read(self, found: Any) -> str:
        if not isinstance(found, str):
            raise ValueError(describe(found))
        if found == "*":
            return found
        match = _ORIGIN.fullmatch(found.lower())
        if match is None:
            raise ValueError(show(found))
        scheme, host, port = match["scheme"], match["host"], match["port"]
        if port is None or port == _PORTS.get(scheme):
            return f"{scheme}://{host}"
        if port != "*" and not 0 < int(port) < 65536:
            raise ValueError(show(found))
        return f"{scheme}://{host}:{port}"


@dataclass(frozen=True)
class Network:
    """
    A proxy: an address, a network or C{unix}.

    It is read into the form of L{ipaddress}, an address as a network of one.
    """

    def allowed(self) -> str:
        return "an address, a network such as '10.0.0.0/8', or 'unix' for Unix sockets"

    def read(self, found: Any) -> str:
        if not isinstance(found, str):
            raise ValueError(describe(found))
        try:
            return found if found == "unix" else str(ip_network(found))
        except ValueError:
            raise ValueError(show(found)) from None


@dataclass(frozen=True)
class Many:
    """A list of values of one kind, without duplicates."""

    item: Kind
    least: int = 0

    def allowed(self) -> str:
        least = "a list" if self.least == 0 else f"a list of at least {self.least}"
        return f"{least}, each {self.item.allowed()}"

    def read(self, found: Any) -> tuple[Any, ...]:
        if not isinstance(found, list):
            raise ValueError(describe(found))
        if len(found) < self.least:
            raise ValueError("a list that is too short")
        values: list[Any] = []
        for place, item in enumerate(found, 1):
            try:
                value = self.item.read(item)
            except ValueError as error:
                raise ValueError(f"a list whose entry {place} is {error}") from None
            if value in values:
                raise ValueError(f"a list whose entry {place} is there already")
            values.append(value)
        return tuple(values)


@dataclass(frozen=True)
class Secret:
    """
    A credential, or the place where it is.  L{aerostack.config.secrets} reads it, because that
    needs files and the environment.

    @ivar what: A description of the credential, with its article.
    @ivar prefix: The first characters of a generated credential; L{None} if it cannot be generated.
    @ivar private: Whether its file must not be readable by every user of the machine.
    """

    what: str
    prefix: str | None = None
    private: bool = True

    def allowed(self) -> str:
        generate = ', { file = "path", generate = true }' if self.prefix else ""
        return (
            f'{self.what} as a string, or {{ file = "path" }}{generate},'
            ' { env = "NAME" } or { credential = "name" }'
        )

    def read(self, found: Any) -> Any:
        if not isinstance(found, str | dict):
            raise ValueError("neither a string nor a table")
        return found


@dataclass(frozen=True)
class Section:
    """
    A table of its own.

    @ivar table: The dataclass that has its keys.
    """

    table: type

    def allowed(self) -> str:
        return "a table"

    def read(self, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise ValueError(describe(found))
        return found


@dataclass(frozen=True)
class Patterned:
    """
    Tables of their own, each under a pattern.

    @ivar table: The dataclass that has the keys of each.
    """

    table: type

    def allowed(self) -> str:
        return "tables, each under a pattern"

    def read(self, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise ValueError(describe(found))
        return found


@dataclass(frozen=True)
class Named:
    """
    Tables of their own, each under a name.

    @ivar table: The dataclass that has the keys of each.
    """

    table: type

    def allowed(self) -> str:
        return "tables, each under a name"

    def read(self, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise ValueError(describe(found))
        return found


@dataclass(frozen=True)
class Values:
    """
    A table of values that JSON has as well.
    """

    def allowed(self) -> str:
        return "a table of numbers, strings, true, false, and lists and tables of these"

    def read(self, found: Any) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise ValueError(describe(found))
        for name, value in found.items():
            self._check(name, value)
        return found

    def _check(self, name: str, value: Any) -> None:
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                self._check(name, inner)
        elif isinstance(value, int | float) and not -_LARGE < value < _LARGE:
            raise ValueError(f"a table whose {name} has no number that JSON can hold")
        elif not isinstance(value, bool | int | float | str):
            raise ValueError(f"a table whose {name} has {describe(value)}")
