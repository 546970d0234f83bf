"""
The values of keyed topics as the server has them, and what scripts get of a publication's key.
"""

from __future__ import annotations

import msgspec

from aerostack.core.keyed.values import REMOVED, Condition, Value, sizeOf
from aerostack.core.replay.positions import Position, parsePosition
from aerostack.engine.valkey.entries import MalformedEntry, decodeBody

NO_KEY = (b"", b"", b"")
"""The arguments of a publication without a key."""


def keyedArguments(
    key: str | None, data: bytes, condition: Condition | None
) -> tuple[bytes, bytes, bytes]:
    """
    What scripts get of a publication's key.

    @return: The key; how many bytes its value takes, empty if it is removed; and the condition:
        empty, C{n} for no value, C{p} and a place's epoch, offset and tag, or C{m} and the mark of
        a kept message.
    """
    if key is None:
        return NO_KEY
    size = b"" if data == REMOVED else b"%d" % sizeOf(key, data)
    return key.encode(), size, _conditionOf(condition)


def _conditionOf(condition: Condition | None) -> bytes:
    if condition is None:
        return b""
    if condition.pos is None:
        return b"n"
    place = parsePosition(condition.pos)
    if place is None:
        # No value has such a position.
        return b"p - - -"
    if place.offset is None:
        return b"m %d" % place.mark
    return f"p {place.epoch} {place.offset} {place.tag or '-'}".encode()


def decodeValue(topic: str, key: bytes, entry: bytes) -> Value:
    """
    Read a value.

    @param entry: A line with its number, its place's epoch, offset (C{-} if it is not known), tag
        and mark, whether the mark is a kept message's, whether the value is kept, and its size; and
        then the publication.
    @raise MalformedEntry: No node wrote it.
    """
    line, _, body = entry.partition(b"\n")
    try:
        serial, epoch, offset, tag, mark, seen, kept, _ = line.decode("ascii").split(" ")
        place = Position(
            epoch,
            None if offset == "-" else int(offset),
            int(mark),
            seen=seen == "1",
            tag="" if tag == "-" else tag,
        )
        read = decodeBody(body)
        return Value(
            key.decode(),
            place,
            read.event,
            read.data,
            read.userId,
            read.timestamp,
            kept == "1",
            int(serial),
        )
    except (ValueError, msgspec.DecodeError) as error:
        raise MalformedEntry(f"{topic}: {entry[:100]!r}") from error
