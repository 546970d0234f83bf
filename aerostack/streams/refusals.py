"""
The errors with which streams refuse what is asked of them.
"""

from __future__ import annotations

from aerostack.core.answers.answer import FAILED, Answer, Verdict
from aerostack.errors import RealtimeError


def unknown(stream: str) -> RealtimeError:
    """
    Make the error for a stream that does not run here, for a caller that did not begin it.
    """
    return _unknown(stream, "it has not begun, or it has ended and was not kept")


def unproduced(stream: str) -> RealtimeError:
    """
    Make the error for a stream that does not run here, for its producer.
    """
    return _unknown(stream, "start it first")


def _unknown(stream: str, why: str) -> RealtimeError:
    name = stream[:64]
    return RealtimeError(
        "stream_unknown", f"No stream {name} runs here; {why}.", details={"stream": name}
    )


def lacking(answer: Answer, name: str) -> RealtimeError:
    """
    Make the error for the end of a stream whose producer has written more than the daemon has.

    @param name: The part of which the daemon has less.
    """
    part = answer.parts.get(name)
    length, edition = (0, 0) if part is None else (part.length, part.edition)
    said = f", in the edition {edition}" if edition else ""
    return RealtimeError(
        "stream_gap",
        f"The part {name} has {length} UTF-16 units{said}, which is less than the stream is to end"
        " with; go on from there, and end it then.",
        details=_held(answer),
    )


def _held(answer: Answer) -> dict[str, object]:
    """What a producer needs to go on where the daemon's text ends."""
    held: dict[str, object] = {"stream": answer.id, "length": dict(answer.lengths)}
    return {**held, "edition": dict(answer.editions)} if answer.editions else held


def ended(answer: Answer) -> RealtimeError:
    """
    Make the error for a stream that has ended.
    """
    end = answer.end
    if end is None:
        return endedAs(answer.id, answer.state)
    # The producer itself gave the reason of a failure.
    reason = None if end.state == FAILED else end.reason
    return endedAs(answer.id, answer.state, end.by, reason)


def endedAs(
    stream: str, state: str, by: str | None = None, reason: str | None = None
) -> RealtimeError:
    """
    Make the error for a stream that has ended.

    @param by: The user who has cancelled it, if known.
    @param reason: Why it has ended so, in a word, if known.
    """
    details = {"stream": stream, "state": state, **({} if by is None else {"by": by})}
    why = "" if reason is None else f" ({reason})"
    message = f"The stream {stream} has ended: {state}{why}."
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
        return RealtimeError("stream_gap", message, details=_held(answer))
    message = f"The part {name} has other text at {at} already."
    if part is not None and verdict is Verdict.KIND:
        message = f"The part {name} is of the kind {part.kind}."
    return RealtimeError("stream_mismatch", message, details={"stream": answer.id})
