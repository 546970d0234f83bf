"""
Brings what an answer has from the process that judges it to one that has not seen its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.units import units
from aerostack.core.replay.publications import StreamMark

LARGEST = 65_536
"""How many characters of text a page has, about.  One value may come on top."""


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a page begins.

    @ivar part: How many parts were copied.
    @ivar at: How much of the next one's text, UTF-16 units.
    @ivar edition: How often text of that one was taken back before.
    """

    part: int = 0
    at: int = 0
    edition: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """
    A piece of an answer.

    @ivar began: See L{Answer}.
    @ivar head: See L{Answer}.
    @ivar texts: Pieces of text: the part's id and kind, how often text of it was taken back, where
        the piece begins, and the piece.
    @ivar values: The values of parts: the part's id and kind, and JSON.
    @ivar next: Where the next page begins; L{None} behind the last one.
    """

    began: int
    head: bytes
    texts: list[tuple[str, str, int, int, str]]
    values: list[tuple[str, str, bytes]]
    next: Place | None


def pageOf(answer: Answer, place: Place, most: int = LARGEST) -> Page:
    """
    Make a page of what of an answer has its place in the topic's log.

    @param most: After how many characters the page ends.
    """
    page = Page(answer.began, answer.head, [], [], None)
    at = place.at
    for number, part in enumerate(tuple(answer.parts.values())[place.part :], place.part):
        if number == place.part and part.edition != place.edition:
            # What the pages before have of it does not hold any more.
            at = 0
        for start, text, _ in part.pieces(min(at, part.shown), part.shown):
            if most <= 0:
                following = Place(number, start, part.edition)
                return Page(page.began, page.head, page.texts, page.values, following)
            page.texts.append((part.name, part.kind, part.edition, start, text))
            most -= len(text)
        if part.value is not None:
            page.values.append((part.name, part.kind, part.value))
            most -= len(part.value)
        at = 0
        if most <= 0 and number + 1 < len(answer.parts):
            return Page(page.began, page.head, page.texts, page.values, Place(number + 1))
    return page


def takePage(copy: Answer | None, topic: str, stream: str, page: Page) -> Answer:
    """
    Add a page to a copy of an answer.

    @param copy: What the pages before were; L{None} before the first.
    @param topic: The canonical topic.
    """
    if copy is None:
        copy = Answer(stream, stream, topic, Terms(), page.began)
        copy.head = page.head
        copy.isShown = copy.isMirror = True
    for name, kind, edition, start, text in page.texts:
        copy.show(name, kind, start, text, edition)
    for name, kind, value in page.values:
        copy.put(name, kind, value)
    return copy


def endBefore(copy: Answer, marks: Iterable[StreamMark]) -> None:
    """
    Take the text from a copy that comes here by itself.  The process that judges the answer is
    ahead of the topic's log here, and watchers get each text once.

    @param marks: What came here of the topic while the answer was copied.
    """
    for mark in marks:
        part = copy.parts.get(mark.part) if mark.stream == copy.id else None
        if part is None or part.edition != mark.edition or not 0 <= mark.at < part.shown:
            continue
        if part.isBoundary(mark.at):
            before, part.shown = part.size, mark.at
            part.cut()
            copy.size += part.size - before


def lacksText(answer: Answer, mark: StreamMark) -> bool:
    """
    Whether an answer has a hole before a text that has its place in the topic's log.

    @param mark: Of the text; or of a value, which is none.
    """
    known = answer.parts.get(mark.part)
    if mark.at < 0 or known is None or known.edition < mark.edition:
        return mark.at >= 0
    return known.edition == mark.edition and known.shown < mark.at + units(mark.text)
