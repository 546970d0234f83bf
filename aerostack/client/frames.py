"""
The daemon's frames: reads them, and finds the fields that the client uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec

from aerostack.client.errors import excerpt

Frame = dict[str, Any]
"""A frame, as the application gets it."""

ANSWERS = (
    *("ack", "error", "pong", "reconnect", "status", "stream_ack", "subscribed", "synced"),
    "unsubscribed",
)
"""The types of the frames that the client can use even if it cannot read all of their fields."""


class Head(msgspec.Struct, frozen=True):
    """
    The fields of the daemon's frames that the client uses.  All other fields are for the
    application.
    """

    type: str
    topic: str | None = None
    event: str | None = None
    operation: str | None = None
    pos: str | None = None
    view: str | None = None
    gap: dict[str, Any] | None = None
    more: bool | None = None
    feed: str | None = None
    table: str | None = None
    events: str | None = None
    sync: bool | None = None
    id: str | int | None = None
    request: str | None = None
    code: str | None = None
    message: str | None = None
    retryAfter: float | None = None
    delay: float | None = None


_TYPES = get_type_hints(Head)

# The tokens of JSON, as far as the search for fields needs them: strings (the last may have no
# end), brackets, and the rest.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"?|[\[\]{}:,]|[^\s"\[\]{}:,]+')


class Unreadable(ValueError):
    """
    A message that cannot be read as a frame.

    @ivar head: The fields that can be read; the type is empty if it cannot.
    """

    def __init__(self, payload: bytes, head: Head) -> None:
        where = ", ".join(
            f"{name} {value}" for name, value in (("topic", head.topic), ("pos", head.pos)) if value
        )
        about = f" ({where})" if where else ""
        super().__init__(f"sent a frame that cannot be read{about}: {excerpt(payload)}")
        self.head = head


def readFrame(payload: bytes) -> tuple[Head, Frame]:
    """
    Read a message of the daemon.

    @raise Unreadable: It is no frame, or has a value that this parser cannot hold.
    """
    try:
        frame = msgspec.json.decode(payload)
        return msgspec.convert(frame, Head), frame
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Unreadable(payload, _findHead(payload)) from None


def known(head: Head) -> Frame:
    """
    The frame that has only the fields of a head.
    """
    return {
        name: value for name, value in msgspec.structs.asdict(head).items() if value is not None
    }


def _findHead(payload: bytes) -> Head:
    fields: Frame = {"type": ""}
    for name, value in _scalars(payload):
        if name in _TYPES:
            try:
                fields[name] = msgspec.json.decode(value, type=_TYPES[name])
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
    return Head(**fields)


def _scalars(payload: bytes) -> Iterator[tuple[str, bytes]]:
    """
    Find the fields of a broken JSON object whose values are neither objects nor lists.
    """
    depth = 0
    before: list[bytes] = [b"", b""]
    for match in _TOKEN.finditer(payload):
        token = match[0]
        if token in b"[{":
            depth += 1
        elif token in b"]}":
            depth -= 1
        elif depth == 1 and before[1] == b":" and before[0].startswith(b'"'):
            yield before[0][1:-1].decode("utf-8", "replace"), token
        before = [before[1], token]
