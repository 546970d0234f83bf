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
    isWhole, seen = False, dict[str, int]()
    for publication in published:
        mark = publication.stream
        if mark is None or mark.stream != answer.id or mark.state:
            continue
        if not mark.part:
            isWhole = True
        elif mark.at < 0:
            answer.put(mark.part, mark.kind, publication.data)
        else:
            part, end = answer.part(mark.part, mark.kind), mark.at + units(mark.text)
            if mark.at <= part.length < end:
                answer.append(mark.part, mark.kind, after(mark.text, part.length - mark.at) or "")
            seen[mark.part] = max(seen.get(mark.part, 0), min(end, part.length))
    for part in answer.parts.values():
        part.shown = seen.get(part.name, 0 if isWhole else part.length)
        part.giveBack()
