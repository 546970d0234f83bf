"""
What an application gives to be sent, as JSON that everybody who gets it can read.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

from aerostack.errors import RealtimeError
from aerostack.protocol.codec import MAX_DEPTH, decodeValue, isDeep

# The largest double has 309 digits: only where there are as many, an integer may exceed it.
_LONG = re.compile(rb"[0-9]{309}")


LARGEST = 67_000_000
"""How many bytes it may have: no limit of the daemon's allows more in a message."""


def encodeGiven(value: Any, name: str) -> bytes:
    """
    Encode what the application gave.

    @param value: Anything that can be JSON; what is JSON already, as L{msgspec.Raw}, goes as
        it is written.
    @param name: What it is, for the error.
    @return: Its JSON, UTF-8.
    @raise TypeError: It is of a type that JSON does not have.
    @raise ValueError: It is or contains what JSON does not have, or what common parsers
        cannot hold.  The message says where.
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
    """Find what cannot be sent, and say it."""
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
