"""
What a worker asks the hub of the values of keyed topics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from aerostack.core.keyed.values import Value
from aerostack.workers.messages.values import decoderOf, encodeList


class ReadValues(Struct, frozen=True, array_like=True, tag=144):
    """
    See L{aerostack.interfaces.keyed.IKeyedValues.page}.  The values come in pieces before the
    answer, L{aerostack.workers.messages.reads.Sent}.

    @ivar number: See L{aerostack.workers.messages.reads.Piece}.
    """

    number: int
    topic: str
    after: int
    limit: int
    size: int


KINDS: tuple[type[Struct], ...] = (ReadValues,)


def encodeKeyed(values: Iterable[Value]) -> Iterator[bytes]:
    """
    Encode values, as lists of about L{aerostack.workers.messages.values.PIECE} bytes.
    """
    return encodeList(values)


decodeKeyed = decoderOf(list[Value]).decode
"""Decodes a list of values."""
