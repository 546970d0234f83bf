"""
Turns what an application sends into JSON that all clients can read.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from aerostack.errors import RealtimeError
from aerostack.protocol.codec import MAX_DEPTH, decodeValue, isDeep

# The largest double has 309 digits: an integer with fewer digits is not larger.
_LONG = re.compile(rb"[0-9]{309}")


LARGEST = 67_000_000
"""How many bytes the JSON may have: no setting of the daemon allows larger messages."""


@dataclass(frozen=True)
class Terms:
    """
    What a publication says beside its event and its data.

    @ivar persist: Whether the topic's history keeps it.
    @ivar replaces: The C{created_at}, ms, up to which it replaces the topic's kept messages.
    @ivar key: On a keyed topic, the key whose value the data become; L{None} as the data removes
        the value.
    @ivar ifPos: Publish only if the key's value has this C{pos}.
    @ivar ifNew: Publish only if the key has no value.
    """

    persist: bool = False
    replaces: int | None = None
    key: str | None = None
    ifPos: str | None = None
    ifNew: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """Its fields in a frame or in the options of a call."""
        fields = {
            "persist": self.persist or None,
            "replaces": self.replaces,
            "key": self.key,
            "ifPos": self.ifPos,
            "ifNew": self.ifNew or None,
        }
        return {name: value for name, value in fields.items() if value is not None}


def kindOf(value: Any) -> str:
    """What a value is, for an error: the value itself may be long, or a secret."""
    return "None" if value is None else f"a value of the type {type(value).__name__}"


def requireText(value: Any, name: str) -> str:
    """
    Give an argument that must be text.

    @raise TypeError: It is not.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} is text, not {kindOf(value)}")
    return value


def encodeGiven(value: Any, name: str) -> bytes:
    """
    Encode what the application gave.

    @param value: Any JSON value.  A L{msgspec.Raw} has JSON already, and stays as it is.
    @param name: The name of the value, for the error.
    @return: Its JSON, UTF-8.
    @raise TypeError: The value has a type that JSON does not have.
    @raise ValueError: The value is not in JSON, or common parsers cannot hold it.  The message
        says where it is.
    """
    if isinstance(value, msgspec.Raw):
        return _encoded(bytes(value), name)
    try:
        plain = msgspec.to_builtins(value, str_keys=True)
        text = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        payload = text.encode()
    except RecursionError:
        raise _tooDeep(name) from None
    except TypeError as error:
        raise TypeError(f"{name} cannot be sent as JSON: {error}") from None
    except ValueError as error:
        raise ValueError(_blame(plain, name) or f"{name} cannot be sent: {error}") from None
    if len(payload) > LARGEST:
        raise ValueError(f"{name} has {len(payload)} bytes; no daemon takes more than {LARGEST}")
    if isDeep(payload):
        raise _tooDeep(name)
    if _LONG.search(payload):
        blame = _blame(plain, name)
        if blame is not None:
            raise ValueError(blame)
    return payload


def _encoded(payload: bytes, name: str) -> bytes:
    try:
        decodeValue(payload)
    except RealtimeError as error:
        raise ValueError(f"{name} cannot be sent: {error.message}") from None
    return payload


def _tooDeep(name: str) -> ValueError:
    return ValueError(f"{name} is nested more than {MAX_DEPTH} levels deep; flatten it")


def _blame(value: Any, where: str) -> str | None:
    """Find the part that cannot be sent; return a sentence about it."""
    if isinstance(value, dict):
        for key, each in value.items():
            blame = _blame(key, f"a key of {where}") or _blame(each, f"{where}[{key!r}]")
            if blame is not None:
                return blame
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            blame = _blame(each, f"{where}[{index}]")
            if blame is not None:
                return blame
    elif isinstance(value, str):
        return _blameText(value, where)
    elif isinstance(value, float) and not math.isfinite(value):
        return f"{where} is {value}, which JSON does not have"
    elif isinstance(value, int):
        try:
            float(value)
        except OverflowError:
            return f"{where} is an integer beyond the largest double; send it as text"
    return None


def _blameText(text: str, where: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])[1:-1]
        return f"{where} has {half} in it, half of a character; was a text cut in two?"
    return None
