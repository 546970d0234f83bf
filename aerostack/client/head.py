"""
What of a frame the client itself looks at.
"""

from __future__ import annotations

from typing import Any

import msgspec

from aerostack.client.errors import excerpt

Frame = dict[str, Any]
"""A frame as an application gets it."""


class Head(msgspec.Struct, frozen=True):
    """
    The fields of any frame of the daemon's that have a meaning for the client.  Whatever
    else there is in a frame is the application's.
    """

    type: str
    topic: str | None = None
    event: str | None = None
    operation: str | None = None
    pos: str | None = None
    gap: dict[str, Any] | None = None
    more: bool | None = None
    feed: str | None = None
    id: str | int | None = None
    code: str | None = None
    message: str | None = None
    retryAfter: float | None = None
    delay: float | None = None


def readFrame(payload: bytes) -> tuple[Head, Frame]:
    """
    Read what the daemon sent.

    @raise ValueError: It is no frame; the message shows it.
    """
    try:
        frame = msgspec.json.decode(payload)
        return msgspec.convert(frame, Head), frame
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ValueError(f"sends what is no frame: {excerpt(payload)}") from None
