"""
The errors with which streams refuse what is asked of them.
"""

from __future__ import annotations

from aerostack.core.answers.answer import Answer, Verdict
from aerostack.errors import RealtimeError


def unknown(stream: str) -> RealtimeError:
    """
    Make the error for a stream that does not run here.
    """
    return RealtimeError(
        "stream_unknown",
        f"No stream {stream[:64]} runs here; start it first.",
        details={"stream": stream[:64]},
    )


def ended(answer: Answer) -> RealtimeError:
    """
    Make the error for a stream that has ended.
    """
    return endedAs(answer.id, answer.state, None if answer.end is None else answer.end.by)


def endedAs(stream: str, state: str, by: str | None = None) -> RealtimeError:
    """
    Make the error for a stream that has ended.

    @param by: The user who has cancelled it, if known.
    """
    details = {"stream": stream, "state": state, **({} if by is None else {"by": by})}
    message = f"The stream {stream} has ended: {state}."
    return RealtimeError("stream_ended", message, details=details)


def refused(answer: Answer, name: str, at: int, verdict: Verdict) -> RealtimeError:
    """
    Make the error for a text that a stream does not take.

    @param name: The part.
    @param at: Where the text begins, UTF-16 units.
    """
    part = answer.parts.get(name)
    length, edition = (0, 0) if part is None else (part.length, part.edition)
    if verdict is Verdict.GAP:
        message = (
            f"The part {name} has {length} UTF-16 units, and this text begins at {at}; go on from"
            f" {length}."
        )
        if at <= length:
            message = f"The part {name} has the edition {edition}; go on from {length} in that."
        details: dict[str, object] = {"stream": answer.id, "length": dict(answer.lengths)}
        if answer.editions:
            details["edition"] = dict(answer.editions)
        return RealtimeError("stream_gap", message, details=details)
    message = f"The part {name} has other text at {at} already."
    if part is not None and verdict is Verdict.KIND:
        message = f"The part {name} is of the kind {part.kind}."
    return RealtimeError("stream_mismatch", message, details={"stream": answer.id})
