"""
The entries of shared logs as the server has them and pushes them.

An entry is one line about its place, and then the publication.  The script that places the
publication writes the line; nodes only read it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication, StreamMark
from aerostack.core.replay.shared import SharedEntry

_encoder = msgspec.msgpack.Encoder()


class _Body(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """
    All of a publication but its topic.
    """

    kind: str
    event: str
    data: bytes
    userId: str | None
    timestamp: int
    mark: int | None
    # Nodes that know no token streams do not write it.
    stream: StreamMark | None = None
    # Nor those that know no keys.
    key: str | None = None


_decoder = msgspec.msgpack.Decoder(_Body)


class MalformedEntry(Exception):
    """
    No node wrote this as an entry.
    """


def encodePublication(publication: Publication) -> bytes:
    """
    The part of an entry that nodes write: all of a publication but its topic.
    """
    return _encoder.encode(
        _Body(
            publication.kind,
            publication.event,
            publication.data,
            publication.userId,
            publication.timestamp,
            publication.mark,
            publication.stream,
            publication.key,
        )
    )


def decodeEntry(topic: str, entry: bytes) -> SharedEntry | Position:
    """
    Read an entry of a topic's log.

    @return: L{Position} if it has no publication: it says that the log was made anew, with that
        head.
    @raise MalformedEntry: No node wrote it.
    """
    line, _, body = entry.partition(b"\n")
    fields = line.split(b" ")
    try:
        epoch, offset, tag, before, mark, seen, _ = (field.decode("ascii") for field in fields)
        place = readPlace(epoch, offset, tag, mark, seen)
        if not body:
            return place
        read = _decoder.decode(body)
    except (ValueError, msgspec.DecodeError) as error:
        raise MalformedEntry(f"{topic}: {entry[:100]!r}") from error
    publication = Publication(
        topic,
        read.kind,
        read.event,
        read.data,
        read.userId,
        read.timestamp,
        read.mark,
        read.stream,
        read.key,
    )
    return SharedEntry(place, "" if before == "-" else before, publication)


def decodeBody(body: bytes) -> Any:
    """
    Read what L{encodePublication} has written.

    @raise msgspec.DecodeError: No node wrote it.
    """
    return _decoder.decode(body)


def readPlace(epoch: str, offset: str, tag: str, mark: str, seen: str) -> Position:
    """
    Read a place as the scripts write it: decimal numbers, C{-} for the tag before the first entry.

    @raise ValueError: A script writes no such place.
    """
    return Position(epoch, int(offset), int(mark), seen=seen == "1", tag="" if tag == "-" else tag)


def writePlace(place: Position | None) -> tuple[bytes, bytes, bytes, bytes]:
    """
    Write a place for the scripts: epoch, offset, tag and mark; four empty texts for no place.
    """
    if place is None:
        return b"", b"", b"", b""
    return (
        place.epoch.encode(),
        b"%d" % (place.offset or 0),
        place.tag.encode() or b"-",
        b"%d" % place.mark,
    )
