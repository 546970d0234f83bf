"""
The text of token streams that one client lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aerostack.core.answers.appended import Appended
from aerostack.core.answers.part import Part
from aerostack.protocol.framing import Frame
from aerostack.protocol.streams import appendFrame

RUN = 200
"""About how many bytes the text of one part counts while it waits: it is in memory in any case."""


class Runs(Frame):
    """
    Text of one topic that waits for one client, or that a client missed, without another frame of
    the topic between.  Of each part it is one piece, however many frames brought it.  Its frames
    are made when they are taken, so they are few.
    """

    grows = True
    isEntry = True
    # The oldest and the newest text of each part.
    _runs: dict[Part, tuple[Appended, Appended]]
    _frames: Iterator[Frame] | None = None

    @classmethod
    def of(cls, appended: Appended) -> Runs:
        """
        Begin with one text.
        """
        runs = cls()
        runs.topic = appended.answer.topic
        runs.appended = appended
        runs._runs = {appended.part: (appended, appended)}
        return runs

    def __len__(self) -> int:
        return RUN * len(self._runs)

    def absorb(self, frame: Frame) -> bool:
        appended = frame.appended
        if appended is None or self._frames is not None:
            return False
        if isinstance(frame, Runs):
            if frame._frames is not None:
                return False
            for oldest, newest in frame._runs.values():
                self._enter(oldest, newest)
        else:
            self.add(appended)
        return True

    def add(self, appended: Appended) -> None:
        """
        Take up a newer text.
        """
        self._enter(appended, appended)

    def _enter(self, oldest: Appended, appended: Appended) -> None:
        """
        Take up a newer text.

        @param oldest: The first of the texts that it stands for.
        """
        # The newest is the last, and has the position.
        begun = self._runs.pop(appended.part, None)
        self._runs[appended.part] = (oldest if begun is None else begun[0], appended)

    def portion(self, size: int) -> Sequence[Frame]:
        taken: list[Frame] = []
        for frame in self.frames():
            taken.append(frame)
            size -= len(frame)
            if size <= 0:
                break
        return taken

    def frames(self) -> Iterator[Frame]:
        """
        The frames that are not taken yet.  Nothing is taken up any more.
        """
        if self._frames is None:
            self._frames = _framesOf(tuple(self._runs.values()))
        return self._frames


def _framesOf(runs: Sequence[tuple[Appended, Appended]]) -> Iterator[Frame]:
    """
    Make the frames of texts.  The last one has the position of the newest text.
    """
    position = runs[-1][1].position
    pieces = (
        (newest, start, text, isReset)
        for oldest, newest in runs
        for start, text, isReset in _pieces(oldest, newest)
    )
    ahead = next(pieces, None)
    while ahead is not None:
        (appended, start, text, isReset), ahead = ahead, next(pieces, None)
        # The stream may have been cancelled since the last frame.
        if not appended.answer.isCut:
            place = position if ahead is None else None
            yield appendFrame(appended, start, text, place, isReset)


def _pieces(oldest: Appended, newest: Appended) -> Iterator[tuple[int, str, bool]]:
    """The pieces of one part's text, and whether each takes the place of other text."""
    part, isReset = newest.part, oldest.isReset
    if newest.answer.isCut:
        return
    # More text may have been taken back since.
    at = min(oldest.at, part.length)
    for start, text, _ in part.pieces(at, newest.until):
        yield start, text, isReset
        isReset = False
    if isReset:
        yield at, "", True
