"""
Brings an answer that was read from the database up to what its watchers have.
"""

from __future__ import annotations

from collections.abc import Iterable

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.units import after, units
from aerostack.core.replay.publications import Publication


def recover(answer: Answer, published: Iterable[Publication]) -> None:
    """
    Take up what the topic's log has of an answer.  What the answer has beyond that is published
    again: its watchers lack it.

    @param answer: As the database has it.  Where the log says nothing of a part, watchers have all
        of it, unless the log has the beginning of the answer.
    @param published: The entries of the log, oldest first, also of other answers.
    """
    isWhole, seen = False, dict[str, tuple[int, int]]()
    for publication in published:
        mark = publication.stream
        if mark is None or mark.stream != answer.id or mark.state:
            continue
        if not mark.part:
            isWhole = True
        elif mark.at < 0:
            answer.put(mark.part, mark.kind, publication.data)
        else:
            part = answer.part(mark.part, mark.kind, mark.edition)
            if mark.edition > part.edition and mark.at <= part.length and part.isBoundary(mark.at):
                part = answer.takeBack(mark.part, mark.at, mark.edition)
            end = mark.at + units(mark.text)
            if mark.edition == part.edition and mark.at <= part.length < end:
                answer.append(mark.part, mark.kind, after(mark.text, part.length - mark.at) or "")
            before = seen.get(mark.part, (0, 0))
            seen[mark.part] = max(before, (mark.edition, min(end, part.length)))
    for part in answer.parts.values():
        edition, end = seen.get(part.name, (0, 0) if isWhole else (part.edition, part.length))
        # Watchers that have text which was taken back get all of the part again.
        part.isReset = edition < part.edition
        part.shown = 0 if part.isReset else min(end, part.length)
        part.takeFresh()
        part.giveBack(part.shown)
