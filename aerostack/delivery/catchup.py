"""
What somebody who comes back gets of a topic's past, and then of what came meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.limits.tally import Tally
from aerostack.core.outbox import Outbox
from aerostack.protocol.framing import Frame

Pages = Iterator[Deferred[Sequence[Frame]]]
"""What the database has of the past.  A page is asked for when the one before has been
sent."""


class Catchup:
    """
    Three parts, in this order: what the database has, what the stream has, and what was
    published since.

    The first is read page by page, the second was there when the client came back, and
    the third is what would have gone out live.  Nothing is in two of them, so nothing
    comes twice, and nothing falls between.

    The third is in memory, so it cannot grow for ever.  Where a topic's log can be read
    again, what is too much is forgotten, and the client is I{behind}: once it has what
    is before, the log is read on from where it left off, and that gives three parts
    anew.  So a long past is sent as fast as the client takes it, however much is
    published meanwhile.

    Of frames with the same key only the newest is held, as for a client that is not behind.

    @ivar held: How many bytes of the third part wait.
    @ivar tally: How many bytes are held for the same client, for all of its topics.
    @ivar isAnswered: Whether the client was told that it is subscribed.
    @ivar onSpent: Is called once when what L{begin} gave is needed no more, or is not wanted
        any more.
    @ivar behind: Where the log is to be read on; L{None} if all of it that is not in the
        other parts is held.
    """

    __slots__ = (
        "_held",
        "_page",
        "_pages",
        "_stream",
        "_waiting",
        "behind",
        "held",
        "isAnswered",
        "onFailure",
        "onPage",
        "onSpent",
        "tally",
    )

    def __init__(self, behind: Any = None) -> None:
        """
        @param behind: Where the log is to be read on, for a client that has all before.
        """
        self.held = 0
        self.tally = Tally()
        self.behind = behind
        self.isAnswered = behind is not None
        self._pages: Pages | None = None
        self._page: deque[Frame] = deque()
        self._stream: Iterator[Frame] = iter(())
        self._held: Outbox[Frame] = Outbox(None)
        # Until it is known what there is, and while a page is on its way.
        self._waiting = behind is None
        self.onPage: Callable[[], None]
        self.onSpent: Callable[[], None] | None = None
        self.onFailure: Callable[[Any], None]

    def begin(
        self,
        stream: Iterable[Frame],
        pages: Pages | None,
        onPage: Callable[[], None],
        onFailure: Callable[[Any], None],
    ) -> None:
        """
        Say what there is to send.

        @param onPage: Is called when there is something to take again.
        @param onFailure: Is called with a L{Failure} when the database cannot be read.
        """
        self._stream = iter(stream)
        self._pages = pages
        self._waiting = False
        self.onPage = onPage
        self.onFailure = onFailure

    def beginWithNothing(self) -> None:
        """Send only what is held."""
        self._waiting = False

    @property
    def isWaiting(self) -> bool:
        """Whether there is nothing to take for now."""
        return self._waiting

    def interrupt(self, behind: Any) -> None:
        """
        Forget what there was to send and has not been read: for now it cannot be.
        L{beginWithNothing} has it tried again.

        @param behind: Where the log is to be read on then.
        """
        self._stream = iter(())
        self._pages = None
        self._forget()
        self.behind = behind
        self._waiting = True

    def hold(self, frame: Frame) -> None:
        """
        Keep a live frame until its turn has come.
        """
        for part in frame.parts:
            # What is in the log is read there.
            if self.behind is None or part.logPosition is None:
                self._held.add(part)
        self._count()

    def spare(self) -> bool:
        """
        Forget what is held and can be had again.

        @return: Whether changes of who is present were among it, so that the whole set is
            to be told.
        """
        forgotten = self._forget()
        if self.behind is None:
            self.behind = next(
                (each.logPosition for each in forgotten if each.logPosition is not None), None
            )
        states = self._held.extract(lambda frame: frame.isState)
        self._count()
        return bool(states)

    def _forget(self) -> Sequence[Frame]:
        """Forget what is held and is in the log."""
        forgotten = self._held.extract(lambda frame: frame.logPosition is not None)
        self._count()
        return forgotten

    def _count(self) -> None:
        self.tally.size += self._held.waiting - self.held
        self.held = self._held.waiting

    def end(self) -> None:
        """
        Hold nothing any more.
        """
        self._held.clear()
        self._count()
        self._spent()

    def _spent(self) -> None:
        spent, self.onSpent = self.onSpent, None
        if spent is not None:
            spent()

    @property
    def isBehind(self) -> bool:
        """Whether everything before the place where the log is to be read on was sent."""
        return not self._waiting and self.behind is not None and self._isSpent()

    def readOn(self) -> Any:
        """
        Begin anew, with what the log has: until L{begin} says what that is, there is
        nothing to take, and what is published is held.

        @return: The place to read on from.
        """
        behind, self.behind = self.behind, None
        self._waiting = True
        self._spent()
        return behind

    def take(self, size: int) -> list[Frame]:
        """
        Take out the next frames.

        @param size: About how many bytes; one frame may go beyond it.
        """
        taken: list[Frame] = []
        while size > 0 and not self._waiting:
            frame = self._next()
            if frame is None:
                break
            taken.append(frame)
            size -= len(frame)
        return taken

    def _next(self) -> Frame | None:
        if not self._page:
            self._ask()
        if self._page:
            return self._page.popleft()
        if self._waiting:
            return None
        frame = next(self._stream, None)
        if frame is None and self._held:
            (frame,) = self._held.take(1)
            self._count()
        return frame

    def _ask(self) -> None:
        """Ask for pages until one is there, or on its way, or there are no more."""
        while self._pages is not None and not self._page and not self._waiting:
            page = next(self._pages, None)
            if page is None:
                self._pages = None
                return
            self._waiting = True
            page.addCallback(self._received)
            if self._waiting:
                # It will take its time; then somebody must go on.
                page.addCallback(lambda _: self.onPage())
            page.addErrback(self.onFailure)

    def _received(self, frames: Sequence[Frame]) -> None:
        self._waiting = False
        self._page.extend(frames)

    @property
    def done(self) -> bool:
        """Whether nothing is left, so that live frames may go out directly."""
        return not (self._waiting or self._held) and self.behind is None and self._isSpent()

    def _isSpent(self) -> bool:
        """Whether nothing is left of the first two parts."""
        if self._page or self._pages is not None:
            return False
        frame = next(self._stream, None)
        if frame is None:
            return True
        self._page.append(frame)
        return False
