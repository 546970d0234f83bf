"""
Checks the JSON that a page sends to the examples.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from aerostack.errors import RealtimeError

Given = Mapping[str, Any]
"""A JSON object."""


def text(given: Given, name: str, most: int) -> str:
    """
    A field that is a text of 1 to C{most} characters.

    @raise RealtimeError: C{invalid_arguments}: it is not.
    """
    value = given.get(name)
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= most:
        raise RealtimeError("invalid_arguments", f"{name} is a text of 1 to {most} characters.")
    return value.strip()


def choice(given: Given, name: str, choices: Collection[str]) -> str:
    """
    A field that is one of some texts.

    @raise RealtimeError: C{invalid_arguments}: it is not.
    """
    value = given.get(name)
    if not isinstance(value, str) or value not in choices:
        raise RealtimeError("invalid_arguments", f"{name} is one of {', '.join(choices)}.")
    return value


def number(given: Given, name: str, most: int) -> int:
    """
    A field that is a whole number from 1 to C{most}.

    @raise RealtimeError: C{invalid_arguments}: it is not.
    """
    value = given.get(name)
    # In Python a boolean is a number, too.
    if type(value) is not int or not 1 <= value <= most:
        raise RealtimeError("invalid_arguments", f"{name} is a whole number from 1 to {most}.")
    return value
