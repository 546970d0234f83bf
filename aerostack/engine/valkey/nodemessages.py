"""
What nodes send each other over channels of the server.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder


class Asked(Struct, frozen=True, array_like=True, tag=1):
    """
    A node asks all others.

    @ivar run: The run of the node that asks.
    @ivar number: Its number for the question; 0 if it waits for no answer.
    @ivar kind: See L{aerostack.interfaces.nodes.INodes.serve}.
    @ivar timeout: Seconds after which it waits for no answer.
    """

    run: str
    number: int
    kind: str
    timeout: float
    data: bytes


class Answered(Struct, frozen=True, array_like=True, tag=2):
    """
    A node answers.

    @ivar run: The run of the node that answers.
    @ivar number: The asker's number for the question.
    @ivar data: The answer; L{None} if the node has failed.
    """

    run: str
    number: int
    data: bytes | None


encodeMessage = Encoder().encode
"""Makes bytes of a message."""

decodeMessage = Decoder(Asked | Answered).decode
"""Reads the bytes of L{encodeMessage}.  It raises L{msgspec.DecodeError}."""
