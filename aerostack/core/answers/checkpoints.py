"""
What the database keeps of the answers that run, so that a restart loses none of them.

A checkpoint has only what is new since the one before.  So a running answer is written once, not
again and again, and L{join} puts it together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aerostack.core.answers.units import after, units

VALUE = -1
"""The C{base} of a piece that is the value of its part, not text.  The newest value of a part
replaces the one before."""


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """
    The description of an answer.

    @ivar id: The id of the message that will keep the answer's end.  No two answers have the same.
    @ivar name: The id of the answer on the wire, unique in its project while it runs.
    @ivar topic: The canonical topic.
    @ivar node: The daemon that runs the answer.
    @ivar owner: The user for whom it is; L{None} if it is for no user in particular.
    @ivar epoch: The number of the present producer, from 1.
    @ivar producer: The present producer's own id; L{None} if it gave none.
    @ivar about: What else a restarted daemon needs, as JSON.  The store does not read it.
    @ivar run: The run of that daemon, which alone may write of the answer; empty if an earlier
        version wrote it.
    """

    id: str
    name: str
    topic: str
    node: str
    owner: str | None
    epoch: int
    producer: str | None
    about: bytes
    run: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """
    What a part of an answer has grown by.

    @ivar answer: The C{id} of the answer's record.
    @ivar part: The part's id.
    @ivar place: The part's place among the parts of the answer, from 0.
    @ivar kind: The part's kind.
    @ivar base: Where the text begins in the part, UTF-16 units; or L{VALUE}.
    @ivar text: The text; or the value as JSON.
    """

    answer: str
    part: str
    place: int
    kind: str
    base: int
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A daemon takes over answers that others have left; or, with its own run as C{ofRun}, reads those
    that it has itself.

    @ivar node: The name of the daemon.
    @ivar run: Its run, which has the answers from then on.
    @ivar ofNode: Only the answers of the daemons that have this name; L{None} for those of any.
    @ivar ofRun: Only the answers of this run; L{None} for those of any.
    @ivar most: How many are taken over at the most.
    """

    node: str
    run: str
    ofNode: str | None = None
    ofRun: str | None = None
    most: int = 100_000


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    What is new of all answers of one run of a daemon.

    @ivar run: The run.
    @ivar records: The answers that have begun, or whose description has changed.
    @ivar pieces: What the parts have grown by.  The record of each piece's answer is in this
        checkpoint, or in an earlier one.
    @ivar taken: The parts of which text was taken back, each as the C{id} of its answer's record
        and its own id.  Nothing of the texts in earlier checkpoints holds.
    """

    records: tuple[AnswerRecord, ...] = ()
    pieces: tuple[Piece, ...] = ()
    run: str = ""
    taken: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StoredPart:
    """
    A part of an answer, as the database has it.

    @ivar name: The part's id.
    @ivar text: Its text from the beginning.
    @ivar value: Its newest value as JSON; L{None} without one.
    """

    name: str
    kind: str
    text: str
    value: str | None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """
    An answer that an earlier run of the daemon left.

    @ivar parts: Its parts in the order in which they began.
    """

    record: AnswerRecord
    parts: tuple[StoredPart, ...]


def join(pieces: Iterable[Piece]) -> tuple[StoredPart, ...]:
    """
    Put the parts of one answer together.

    A checkpoint whose outcome was unknown may have been written twice, in pieces of other lengths.
    So a piece may repeat text that is there already.  A piece that begins behind the end of the
    text is left out, with every later piece of the part.

    @return: The parts in the order of their places.
    """
    grouped: dict[tuple[int, str], list[Piece]] = {}
    for piece in pieces:
        grouped.setdefault((piece.place, piece.part), []).append(piece)
    return tuple(_joinPart(grouped[key]) for key in sorted(grouped))


def _joinPart(pieces: list[Piece]) -> StoredPart:
    value: str | None = None
    texts: list[str] = []
    length = 0
    for piece in sorted(pieces, key=lambda each: each.base):
        if piece.base == VALUE:
            value = piece.text
            continue
        if piece.base > length:
            break
        new = after(piece.text, length - piece.base)
        if new:
            texts.append(new)
            length += units(new)
    first = pieces[0]
    return StoredPart(first.part, first.kind, "".join(texts), value)
