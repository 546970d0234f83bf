"""
The answers of several processes to one question about clients' frames.
"""

from __future__ import annotations

from collections.abc import Collection

KIND = "up"
"""The kind of question that nodes ask each other about clients' frames; see
L{aerostack.interfaces.nodes.INodes.serve}."""

UNSURE = b"?"
"""The answer of a node of which a process did not answer."""


def onlyAnswer(answers: Collection[bytes | None]) -> bytes | None:
    """
    Find the answer of the process that a question is about.

    @param answers: Those of all processes: empty if the question is not about the process, L{None}
        or L{UNSURE} if the process did not answer.
    @return: The answer that is not empty.  If all processes answered and each answer is empty, the
        bytes are empty.  L{None} if each answer is empty and a process did not answer.
    """
    for answer in answers:
        if answer and answer != UNSURE:
            return answer
    return None if None in answers or UNSURE in answers else b""
