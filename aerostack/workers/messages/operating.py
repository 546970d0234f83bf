"""
What an operator asks of all processes.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class GatherAll(Struct, frozen=True, array_like=True, tag=128):
    """
    A worker lets the hub ask every process.  The answer is L{Gathered}.

    @ivar question: See L{aerostack.core.diagnosis.questions.encodeQuestion}.
    @ivar timeout: Seconds that each process has to answer.
    """

    question: bytes
    timeout: float


class Gathered(Struct, frozen=True, array_like=True, tag=129):
    """
    The answers of all processes and of the other nodes.

    @ivar name: The name of this node; empty if there are no others.
    @ivar answers: The answers by the names of the processes, as JSON; L{None} where a process
        failed or did not answer in time.
    @ivar elsewhere: By the name of each other node, the answers of its processes; L{None} where it
        did not answer.
    """

    name: str
    answers: dict[str, bytes | None]
    elsewhere: Mapping[str, Mapping[str, bytes | None] | None]


class AskOne(Struct, frozen=True, array_like=True, tag=130):
    """
    The hub asks a worker.  The answer is L{Answered}.

    @ivar question: See L{GatherAll}.
    @ivar size: How many bytes the answer may have.
    """

    question: bytes
    size: int


class Answered(Struct, frozen=True, array_like=True, tag=131):
    """
    The answer of a worker.

    @ivar answer: JSON.
    """

    answer: bytes


KINDS = (GatherAll, Gathered, AskOne, Answered)
