"""
One streamed answer, and what becomes of a part that a producer sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from aerostack.core.answers.part import Part
from aerostack.core.answers.units import after, units

STREAMING = "streaming"
DONE = "done"
FAILED = "failed"
"""The producer says that it has failed."""
CANCELLED = "cancelled"
ABORTED = "aborted"
"""The daemon ended it; the reason says why."""

LEASE = "lease"
STALLED = "stalled"
RESTART = "restart"
LIMIT = "limit"
UPSTREAM = "upstream"
"""The reasons of L{ABORTED}."""

UNWATCHED = "unwatched"
"""The reason of L{CANCELLED} where a stream had no watcher for too long."""

OWNER = "owner"
PUBLISHERS = "publishers"
NOBODY = "nobody"
CANCELLERS = (OWNER, PUBLISHERS, NOBODY)
"""The clients that may cancel an answer.  A server with the secret key always may."""

RELAY = "relay:"
"""The beginning of the name of a producer that is the daemon itself.  It does not come back after a
restart."""

OVERHEAD = 1500
"""About how many bytes an answer takes beside its parts."""

IMPLICIT = "0"
"""The part of an answer that a server streams with C{socket.emit}."""


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What the producer of an answer has said at its beginning.

    @ivar owner: The user for whom the answer is; L{None} if it is for no user in particular.
    @ivar cancel: One of L{CANCELLERS}.
    @ivar lease: After how many seconds without a sign of the producer the answer ends.
    @ivar persist: Whether the history keeps the answer when it ends.
    @ivar meta: What the producer says of the answer, a JSON object.
    @ivar unwatched: After how many seconds without a watcher the answer is cancelled; L{None} for
        never.
    @ivar implicit: Whether the answer began with an event of a server, and not with a start.
    """

    owner: str | None = None
    cancel: str = OWNER
    lease: float = 30.0
    persist: bool = True
    meta: bytes = b"{}"
    implicit: bool = False
    unwatched: float | None = None


@dataclass(frozen=True, slots=True)
class End:
    """
    How an answer has ended.

    @ivar state: L{DONE}, L{FAILED}, L{CANCELLED} or L{ABORTED}.
    @ivar reason: For L{ABORTED} one of the reasons; for L{CANCELLED} L{UNWATCHED} or L{None}; else
        what the producer gave, or L{None}.
    @ivar by: For L{CANCELLED} the user who cancelled it; L{None} if the user has no name, or a
        server did.
    @ivar usage: What the producer says that the answer has used, JSON; L{None} for nothing.
    """

    state: str
    reason: str | None = None
    by: str | None = None
    usage: bytes | None = None


class Verdict(Enum):
    """
    What becomes of text that a producer sends.
    """

    TAKEN = "taken"
    KNOWN = "known"
    """The same text came before."""
    RESET = "reset"
    """It takes the place of the text behind its beginning."""
    GAP = "gap"
    """It begins behind the text that the daemon has."""
    MISMATCH = "mismatch"
    """Other text came before for the same place."""
    KIND = "kind"
    """The part is of another kind."""


@dataclass(eq=False, slots=True)
class Answer:
    """
    A streamed answer, as far as it was sent.

    @ivar id: Its id, unique in its project while the answer is known.
    @ivar record: The id under which the database knows it, unique for ever.
    @ivar topic: The canonical topic.
    @ivar terms: What holds for it.
    @ivar producer: The present producer's own id; L{None} if it gave none.
    @ivar epoch: The number of the present producer, from 1.
    @ivar began: When it began, milliseconds since the epoch.
    @ivar parts: Its parts by their ids, in the order in which they began.
    @ivar end: How it has ended; L{None} while it goes on.
    @ivar isShown: Whether its beginning has its place in the topic's log.
    @ivar isOver: Whether its end has its place in the topic's log.
    @ivar isEndSent: Whether its end went to the subscribers of this process.
    @ivar isReleased: Whether its text was forgotten, because it has ended a while ago.
    @ivar head: A JSON object that clients get with its beginning; empty if its id says all.
    @ivar last: The offset in the topic's log of its newest entry.
    @ivar isMirror: Whether another process judges it.
    @ivar isUnseen: Whether subscribers of this process lack its beginning.
    @ivar size: About how many bytes of memory it takes.
    @ivar first: How many milliseconds its first text took to come; L{None} before, and where
        another process judges it.
    """

    id: str
    record: str
    topic: str
    terms: Terms
    began: int
    producer: str | None = None
    epoch: int = 1
    parts: dict[str, Part] = field(default_factory=dict)
    end: End | None = None
    isOver: bool = False
    isEndSent: bool = False
    isReleased: bool = False
    head: bytes = b""
    last: int = 0
    isShown: bool = False
    isMirror: bool = False
    isUnseen: bool = False
    size: int = OVERHEAD
    first: int | None = None

    @property
    def state(self) -> str:
        """L{STREAMING}, or the state in which it has ended."""
        return STREAMING if self.end is None else self.end.state

    @property
    def isRelayed(self) -> bool:
        """Whether its producer is the daemon itself."""
        return (self.producer or "").startswith(RELAY)

    @property
    def isCut(self) -> bool:
        """Whether no text of it is to be sent any more."""
        return self.isReleased or self.state == CANCELLED

    @property
    def lengths(self) -> Mapping[str, int]:
        """The length of each part's text, UTF-16 units."""
        return {part.name: part.length for part in self.parts.values()}

    @property
    def editions(self) -> Mapping[str, int]:
        """How often text of each part was taken back, if it ever was."""
        return {part.name: part.edition for part in self.parts.values() if part.edition}

    @property
    def length(self) -> int:
        """The length of all text together, UTF-16 units."""
        return sum(part.length for part in self.parts.values())

    def part(self, name: str, kind: str, edition: int = 0) -> Part:
        """
        A part; a new one if there is none of that id.

        @param edition: That of a new one.
        """
        part = self.parts.get(name)
        if part is None:
            part = self.parts[name] = Part(name, kind, edition)
            self.size += part.size
        return part

    def takeBack(self, name: str, at: int, edition: int) -> Part:
        """
        Take back the text of a part behind a place; see L{Part.takeBack}.
        """
        part = self.parts[name]
        before = part.whole
        other = self.parts[name] = part.takeBack(at, edition)
        self.size += other.whole - before
        return other

    def append(self, name: str, kind: str, text: str, edition: int = 0) -> Part:
        """
        Let the text of a part grow.

        @param edition: That of the part, if it is a new one.
        """
        part = self.part(name, kind, edition)
        before = part.size
        part.append(text)
        self.size += part.size - before
        return part

    def put(self, name: str, kind: str, value: bytes) -> Part:
        """
        Give a part a value, in place of the one before.

        @param value: JSON.
        """
        part = self.part(name, kind)
        before = part.size
        part.replace(value)
        self.size += part.size - before
        return part

    def judge(
        self, name: str, kind: str, at: int, text: str, edition: int = 0
    ) -> tuple[Verdict, str]:
        """
        Decide what becomes of text that the present producer sends.  Nothing changes yet.

        @param name: The part's id.
        @param at: Where the text begins in the part, UTF-16 units.
        @param edition: How often the producer has taken text of the part back: once more than
            before, if it takes text back now.
        @return: The verdict, and the text to append: what is new of it.
        """
        part = self.parts.get(name)
        if part is None:
            # The text of a new part is all that there is of it, whatever came before.
            return (_takenIf(text), text) if at == 0 else (Verdict.GAP, "")
        if part.kind != kind:
            return Verdict.KIND, ""
        if edition < part.edition:
            # It was taken back since.
            return Verdict.KNOWN, ""
        if at > part.length or edition > part.edition + 1:
            return Verdict.GAP, ""
        if edition > part.edition:
            return (Verdict.RESET, text) if part.isBoundary(at) else (Verdict.MISMATCH, "")
        length = part.length
        if at == length:
            return _takenIf(text), text
        known = min(units(text), length - at)
        # A place within a character would be another text.
        if not part.isBoundary(at) or (rest := after(text, known)) is None:
            return Verdict.MISMATCH, ""
        if part.read(at, at + known) != text[: len(text) - len(rest)]:
            return Verdict.MISMATCH, ""
        return (Verdict.TAKEN, rest) if rest else (Verdict.KNOWN, "")

    def lacks(self, lengths: Mapping[str, int], editions: Mapping[str, int]) -> str | None:
        """
        Compare what it has with what its producer has written.

        @param lengths: The lengths of parts, UTF-16 units.
        @param editions: How often text of them was taken back, if it ever was.
        @return: The id of a part of which it has less; L{None} if there is none.
        """
        for name, length in lengths.items():
            part = self.parts.get(name)
            known = (0, 0) if part is None else (part.edition, part.length)
            if known[0] <= editions.get(name, 0) and known < (editions.get(name, 0), length):
                return name
        return None

    def show(self, name: str, kind: str, at: int, text: str, edition: int = 0) -> int | None:
        """
        Note that text has its place in the topic's log.

        @param edition: See L{judge}.
        @return: Up to where the part's text has its place now; L{None} if this process lacks the
            text before, or if the text was taken back since.
        """
        part = self.part(name, kind, edition)
        if edition < part.edition:
            return None
        if edition > part.edition:
            # Another process has taken text back.
            if at > part.length or not part.isBoundary(at):
                return None
            part = self.takeBack(name, at, edition)
        end = at + units(text)
        if end > part.length:
            # Another process has judged it.  It may send again what it has lost in a restart.
            new = after(text, part.length - at) if at <= part.length else None
            if new is None:
                return None
            self.append(name, kind, new)
            part.takeFresh()
        part.shown = max(part.shown, end)
        part.isReset = False
        return part.shown

    def cut(self) -> None:
        """
        Go back to what has its place in the topic's log: another process judges it from now on.
        """
        self.end = None
        self.isMirror = True
        for part in self.parts.values():
            part.cut()
        self.size = OVERHEAD + sum(part.size for part in self.parts.values())

    def release(self) -> None:
        """
        Forget the text.
        """
        self.isReleased = True
        # The topic's log may still refer to the parts.
        for part in self.parts.values():
            part.clear()
        self.parts = {}


def _takenIf(text: str) -> Verdict:
    """What becomes of text that follows what there is."""
    return Verdict.TAKEN if text else Verdict.KNOWN
