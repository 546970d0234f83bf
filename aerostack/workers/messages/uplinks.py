"""
The messages that bring clients' frames to the worker that has the connection; see
L{aerostack.interfaces.uplinks.IUplinks}.
"""

from __future__ import annotations

from msgspec import Struct


class AskOthers(Struct, frozen=True, array_like=True, tag=132):
    """
    A worker lets the hub ask the other workers and the other nodes.  The answer is a L{Reply}.

    @ivar timeout: Seconds after which no answer is waited for.
    """

    data: bytes
    timeout: float


class Uplink(Struct, frozen=True, array_like=True, tag=133):
    """
    The hub asks a worker.  The answer is a L{Reply}.
    """

    data: bytes


class Reply(Struct, frozen=True, array_like=True, tag=134):
    """
    An answer.

    @ivar data: Empty if the question is about no process that was asked; L{None} if one of them
        did not answer.
    """

    data: bytes | None


class Sealing(Struct, frozen=True, array_like=True, tag=135):
    """
    The hub gives a worker the key of L{aerostack.core.nodes.seals.Seals}.
    """

    key: bytes


KINDS: tuple[type[Struct], ...] = (AskOthers, Uplink, Reply, Sealing)
