"""
Kinds of messages for the tests.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Note(Struct, frozen=True, array_like=True, tag=16):
    """
    A text and some bytes.
    """

    text: str
    data: bytes = b""


class Values(Struct, frozen=True, array_like=True, tag=17):
    """
    Any values.
    """

    values: list[Any]


KINDS = (Note, Values)
