"""
What a client still has to get of one topic before live frames go to its socket directly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure

from aerostack.core.backlog import Backlog
from aerostack.core.limits.tally import Tally
from aerostack.core.outbox import Outbox
from aerostack.core.replay.positions import Position
from aerostack.delivery.runs import Runs
from aerostack.protocol.framing import Frame

T = TypeVar("T")


class Stage(Enum):
    """
    How far a client is with a topic's past.
    """

    READING = "reading"
    """The next part is being read, or is not wanted yet.  There is nothing to send."""
    WRITING = "writing"
    """A part was read and is being sent."""
    HELD = "held"
    """All that was read is sent.  The live frames that were held back are being sent."""
    WAITING = "waiting"
    """More will be read when it is the client's turn."""
    ENDED = "ended"
    """The client is up to date, has left the topic or has subscribed anew."""


READY = (Stage.WRITING, Stage.HELD, Stage.WAITING)
"""The stages in which something happens when it is the client's turn."""


class Catchup:
    """
    Two halves that meet here: a coroutine, which reads a topic's past part by part, and the
    client's L{Outbound<aerostack.delivery.outbound.Outbound>}, which sends as fast as the
    client reads and holds live frames back meanwhile.

    The coroutine awaits L{read}, L{write}, L{writeHeld} and L{awaitTurn}, one at a time.  Each
    of these fails with L{CancelledError<twisted.internet.defer.CancelledError>} when the
    catch-up ends, or has ended before.

    What is held is in memory, so it has a bound.  Where a topic's log can be read again, the
    frames that are too much are forgotten, and the client is I{behind}: once it has all that
    is before, the log is read on from there.  So a long past is sent as fast as the client
    takes it, however much is published meanwhile.

    Of held frames with the same key only the newest is kept, as for a client that has no past
    to get.

    @ivar stage: How far the client is.
    @ivar held: How many bytes of live frames are held.
    @ivar tally: How many bytes are held for the same client, on all of its topics.
    @ivar isAnswered: Whether the client has got the answer to its subscription.
    @ivar behind: Where the log is to be read on.  L{None} if each live frame of the log that
        the parts do not have is held.
    """

    __slots__ = (
        "_ahead",
        "_aside",
        "_awaited",
        "_frames",
        "_held",
        "behind",
        "held",
        "isAnswered",
        "stage",
        "tally",
    )

    def __init__(self, behind: Position | None = None) -> None:
        """
        @param behind: For a client that is subscribed already, where its topic's log is to be
            read on.
        """
        self.stage = Stage.READING
        self.held = 0
        self.tally = Tally()
        self.behind = behind
        self.isAnswered = behind is not None
        self._held: Outbox[Frame] = Outbox(None)
        # The part that is being sent, and its next frame, if that was looked at.
        self._frames: Iterator[Frame] = iter(())
        self._ahead: Frame | None = None
        # What the coroutine waits for.
        self._awaited: Deferred[Any] | None = None
        # What was set aside, and where the log stood before.
        self._aside: tuple[Position, Sequence[Frame]] | None = None

    # For the coroutine that reads the past

    def read(self, reading: Deferred[T]) -> Deferred[T]:
        """
        Wait for something to be read.

        @return: The same result.  When the catch-up ends, C{reading} itself goes on.
        """
        awaited: Deferred[T] = self._wait(Stage.READING)
        # A Deferred that was cancelled ignores the result that comes afterwards.
        reading.addCallbacks(awaited.callback, awaited.errback)
        return awaited

    def write(self, frames: Iterable[Frame]) -> Deferred[None]:
        """
        Send a part of the past.

        @param frames: They are taken one by one, when the client is ready for them.
        @return: Fires when all of them were sent.
        """
        written: Deferred[None] = self._wait(Stage.WRITING)
        if self.stage is Stage.WRITING:
            self._frames = iter(frames)
        return written

    def writeHeld(self) -> Deferred[None]:
        """
        Send the live frames that were held back.

        @return: Fires when none is held any more.
        """
        if self.stage is not Stage.ENDED and not self._held:
            return succeed(None)
        return self._wait(Stage.HELD)

    def awaitTurn(self) -> Deferred[None]:
        """
        Wait until it is the client's turn, which comes when the client reads.
        """
        return self._wait(Stage.WAITING)

    def _wait(self, stage: Stage) -> Deferred[Any]:
        awaited: Deferred[Any] = Deferred()
        if self.stage is Stage.ENDED:
            awaited.cancel()
        else:
            self.stage, self._awaited = stage, awaited
        return awaited

    def restart(self, behind: Position | None) -> None:
        """
        Forget every frame that was held.

        @param behind: Where the log is to be read on; L{None} if all that is published from
            now on is to be held.
        """
        self._held.clear()
        self._aside = None
        self._count()
        self.behind = behind

    def setAside(self, position: Position) -> None:
        """
        Hold no longer what is in the log of a topic that is no table's, or will be in the set of
        members.  Either it is read from the log, or L{takeBack} comes next.

        @param position: Where the log stood when the first frame came that was held.
        """
        self._aside = (position, self._takeEntries())

    def takeBack(self) -> Position | None:
        """
        Hold again, before everything else, what was set aside.

        @return: Where the log stood before that; L{None} if nothing was set aside.
        """
        if self._aside is None:
            return None
        (position, frames), self._aside = self._aside, None
        for frame in (*frames, *self._held.extract(lambda frame: True)):
            self._held.add(frame)
        self._count()
        return position

    def forgetAside(self) -> None:
        """
        Forget what was set aside, because it is read from the log.
        """
        self._aside = None

    def dropEntries(self) -> None:
        """
        Forget what L{setAside} would set aside, and what it has set aside.
        """
        self._aside = None
        self._takeEntries()

    def _takeEntries(self) -> Sequence[Frame]:
        """Take out what is in the log, and changes of who is present."""
        entries = self._held.extract(lambda frame: frame.isEntry)
        self._held.extract(lambda frame: frame.isState)
        self._count()
        return entries

    def fallBehind(self, behind: Position) -> None:
        """
        Forget what is held and stands in the log: the log cannot be read now.

        @param behind: Where it is to be read on later.
        """
        self._forget()
        self.behind = behind

    def leaveBehind(self) -> Position:
        """
        Note that the log is being read on.  What is published from now on is held.

        @return: Where it is to be read on.
        """
        behind, self.behind = self.behind, None
        assert behind is not None
        return behind

    # For the sending half

    def countIn(self, tally: Tally, backlog: Backlog[Any]) -> None:
        """
        Count what is held, before anything is.

        @param tally: How many bytes are held for the same client.
        @param backlog: Counts what waits for all clients of the project.
        """
        self.tally = tally
        self._held = Outbox(None, backlog)

    @property
    def isReady(self) -> bool:
        """Whether the client is to have a turn."""
        return self.stage in READY

    def take(self, size: int) -> list[Frame]:
        """
        Take out the next frames.

        @param size: About how many bytes; one frame may go beyond it.
        """
        taken: list[Frame] = []
        if self.stage is Stage.HELD:
            while size > 0 and self._held:
                frames = self._held.take(1)
                taken += frames
                size -= sum(map(len, frames))
            self._count()
        elif self._ahead is not None:
            taken.append(self._ahead)
            size -= len(self._ahead)
            self._ahead = None
        while size > 0 and (frame := next(self._frames, None)) is not None:
            taken.append(frame)
            size -= len(frame)
        return taken

    def advance(self) -> None:
        """
        Let the coroutine go on, if what it waits for has happened: everything was taken, and it
        is the client's turn.
        """
        if self.stage is Stage.WRITING and self._ahead is None:
            self._ahead = next(self._frames, None)
        if self.isReady and self._ahead is None and not (self.stage is Stage.HELD and self._held):
            awaited, self._awaited = self._awaited, None
            self.stage = Stage.READING
            assert awaited is not None
            awaited.callback(None)

    def hold(self, frame: Frame) -> None:
        """
        Keep a live frame until its turn has come.
        """
        for part in frame.parts:
            # What is in the log is read there.
            if self.behind is None or part.logPosition is None:
                self._held.add(part if part.appended is None else Runs.of(part.appended))
        self._count()

    def spare(self) -> bool:
        """
        Forget what is held and can be had again.

        @return: Whether changes of who is present were among it, so that the client needs the
            whole set again.
        """
        forgotten = self._forget()
        if self.behind is None and forgotten:
            self.behind = forgotten[0].logPosition
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
        Send and hold nothing any more.
        """
        self.stage = Stage.ENDED
        self._frames, self._ahead, self._aside = iter(()), None, None
        self._held.clear()
        self._count()
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.cancel()


def ignoreEnd(failure: Failure) -> None:
    """
    Ignore that a catch-up has ended: its client has left the topic, or has subscribed anew.
    """
    failure.trap(CancelledError)
