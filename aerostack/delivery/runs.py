"""
The text of token streams that one client lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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
    _runs: dict[Part, tuple[int, Appended]]
    _frames: Iterator[Frame] | None = None

    @classmethod
    def of(cls, appended: Appended) -> Runs:
        """
        Begin with one text.
        """
        runs = cls()
        runs.topic = appended.answer.topic
        runs.appended = appended
        runs._runs = {appended.part: (appended.at, appended)}
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
            for at, newest in frame._runs.values():
                self._enter(at, newest)
        else:
            self.add(appended)
        return True

    def add(self, appended: Appended) -> None:
        """
        Take up a newer text.
        """
        self._enter(appended.at, appended)

    def _enter(self, at: int, appended: Appended) -> None:
        """
        Take up a newer text.

        @param at: Where it begins, unless text of the same part is here already.
        """
        # The newest is the last, and has the position.
        begun = self._runs.pop(appended.part, None)
        self._runs[appended.part] = (at if begun is None else begun[0], appended)

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


def _framesOf(runs: Sequence[tuple[int, Appended]]) -> Iterator[Frame]:
    """
    Make the frames of texts.  The last one has the position of the newest text.
    """
    position = runs[-1][1].position
    pieces = (
        (appended, start, text) for at, appended in runs for start, text, _ in _pieces(appended, at)
    )
    ahead = next(pieces, None)
    while ahead is not None:
        (appended, start, text), ahead = ahead, next(pieces, None)
        # It may have been cancelled since.
        if not appended.answer.isCut:
            yield appendFrame(appended, start, text, position if ahead is None else None)


def _pieces(appended: Appended, at: int) -> Iterable[tuple[int, str, object]]:
    if appended.answer.isCut:
        return ()
    return appended.part.pieces(at, appended.until)
