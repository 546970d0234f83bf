"""
What the processes of one or several nodes answer, and how it goes between nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import DecodeError, Struct, json, msgpack, to_builtins

from aerostack.core.diagnosis.evidence import Evidence
from aerostack.core.diagnosis.fitting import fit
from aerostack.core.diagnosis.questions import LISTS, AskEvidence, Question

KIND = "operator"
"""Distinguishes what operators ask from other questions between nodes; see
L{aerostack.interfaces.nodes.INodes}."""

ALTOGETHER = 12_582_912
"""How many bytes all answers to a question may have."""

LARGEST = 1_048_576
"""How many bytes the answer of a process may have."""

IN_TIME = 0.8
"""The part of the time of another node that is left for processes, so that its answer, which names
those that are late, comes in time."""

Encoded = Mapping[str, bytes | None]
"""The answers of the processes of a node as JSON, by the names of the processes; L{None} where one
has failed or did not answer in time."""


class Answers(NamedTuple):
    """
    What the processes of all nodes have answered.

    @ivar name: The name of this node; empty if there are no others.
    @ivar here: By the name of each process of this node, its answer, or L{None} if it failed or did
        not answer in time.
    @ivar elsewhere: The same of each other node, by its name; L{None} for a node that did not
        answer.
    """

    name: str
    here: Mapping[str, Any]
    elsewhere: Mapping[str, Mapping[str, Any] | None]


class NodeQuestion(Struct, frozen=True, array_like=True):
    """
    What one node asks another one.

    @ivar question: See L{aerostack.core.diagnosis.questions.encodeQuestion}.
    @ivar size: How many bytes the answers of the node may have.
    """

    question: bytes
    size: int


encodeNodeQuestion = msgpack.Encoder().encode
"""Makes bytes of a L{NodeQuestion}."""

decodeNodeQuestion = msgpack.Decoder(NodeQuestion).decode
"""Reads the bytes of L{encodeNodeQuestion}.  It raises L{DecodeError}."""

encodeProcesses = msgpack.Encoder().encode
"""Makes bytes of L{Encoded}."""

_processes = msgpack.Decoder(dict[str, bytes | None])


def decodeProcesses(data: bytes | None) -> Encoded | None:
    """
    Read the bytes of L{encodeProcesses}.

    @return: L{None} if there are none, or if they are those of another version.
    """
    if data is None:
        return None
    try:
        return _processes.decode(data)
    except DecodeError:
        return None


def encodeAnswer(question: Question, answer: Any, size: int) -> bytes:
    """
    Make JSON of an answer.

    @param size: How many bytes it may have; see L{fit}.
    @raise ValueError: It is too large.
    """
    found = answer if isinstance(answer, dict) else to_builtins(answer)
    return fit(found, LISTS[type(question)], size)


def decodeAnswers(question: Question, answers: Encoded) -> dict[str, Any]:
    """
    Read the answers of the processes of a node.  What cannot be read is no answer.
    """
    kind = Evidence if isinstance(question, AskEvidence) else dict[str, Any]
    return {name: _decode(data, kind) for name, data in answers.items()}


def _decode(data: bytes | None, kind: Any) -> Any:
    if data is None:
        return None
    try:
        return json.decode(data, type=kind)
    except DecodeError:
        return None
