"""
What became of token streams: whether each watcher, the history and the daemon have the text that
was written, once.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from aerostack.core.answers.units import units

STREAMING = "streaming"

STUCK = "stuck"
"""The state of a stream that its producer could not end."""

UNKEPT = 3.0
"""For how many seconds the database may have nothing of a stream.  The daemon writes each
second."""

TAKEN = 1.0
"""For how many seconds a part may live on when its kill is written down."""

_SIGNS = ("", "", "é", "漢", "😀")
"""What stands behind a word: text whose length differs in bytes, characters and UTF-16 units."""


def words(count: int) -> list[str]:
    """
    Return numbered words, so that one that is missing or comes twice is found.
    """
    return [f"w{number}{_SIGNS[number % len(_SIGNS)]} " for number in range(count)]


WHOLE, BEGUN, LOST, DOUBLED = "whole", "begun", "lost", "doubled"


def compare(found: str, whole: str) -> str:
    """
    Compare a text with the one that was written.

    @return: L{WHOLE}; L{BEGUN}, if it is a beginning; L{DOUBLED}, if a word comes twice; else
        L{LOST}.
    """
    if found == whole:
        return WHOLE
    if whole.startswith(found):
        return BEGUN
    if any(times > 1 for times in Counter(found.split()).values()):
        return DOUBLED
    return LOST


@dataclass
class Script:
    """
    A stream that a producer writes.

    @ivar whole: The text that it has in the end.
    @ivar acked: How much of it the daemon has acknowledged, UTF-16 units.
    @ivar state: The state in which it ended, as the producer knows it; L{None} while it does not.
    @ivar began: When it was begun, seconds since the epoch.
    @ivar left: When its producer gave its last sign of life and will come back no more, seconds
        since the epoch; L{None} if it goes on.
    @ivar lease: Seconds.
    @ivar keepsAll: Whether all that was acknowledged must stay, because no daemon is killed.
    @ivar mayBeForgotten: Whether a daemon that is killed may know nothing of it.
    """

    name: str
    topic: str
    whole: str
    lease: float
    began: float = 0.0
    acked: int = 0
    state: str | None = None
    left: float | None = None
    keepsAll: bool = False
    mayBeForgotten: bool = False


@dataclass
class Reading:
    """
    What one watcher has of one stream.

    @ivar state: As its client says.
    @ivar ends: How many C{ai:done} came.
    @ivar late: How many pieces of text came behind an C{ai:done}.
    @ivar ended: When it ended by the daemon's clock, seconds since the epoch.
    @ivar came: The last frames, in words.
    """

    state: str = STREAMING
    text: str = ""
    ends: int = 0
    late: int = 0
    ended: float | None = None
    came: deque[str] = field(default_factory=lambda: deque(maxlen=8))


class Readings:
    """
    What one watcher has of the streams of its topics.

    @ivar streams: By the stream's id.
    """

    def __init__(self) -> None:
        self.streams: dict[str, Reading] = {}

    def frame(self, frame: Mapping[str, object]) -> None:
        """
        Note a frame that came.
        """
        name = frame.get("stream")
        if not isinstance(name, str):
            return
        reading = self.streams.setdefault(name, Reading())
        said = [frame.get(key) for key in ("event", "at", "pos") if key in frame]
        reading.came.append(" ".join(map(str, said)))
        if frame.get("event") == "ai:done":
            reading.ends += 1
            if reading.ended is None and isinstance(stamp := frame.get("timestamp"), int):
                reading.ended = stamp / 1000
        elif reading.ends and frame.get("event") == "ai:token":
            reading.late += 1

    def subscribed(self, frame: Mapping[str, object]) -> None:
        """
        Note that the watcher has subscribed again.
        """
        for reading in self.streams.values():
            if not reading.ends or (reading.ended or 0) > time.time() - 10:
                reading.came.append(f"subscribed {frame.get('pos')} {frame.get('recovered')}")

    def view(self, name: str, state: str, text: str) -> None:
        """
        Note what the watcher's client shows of a stream.
        """
        reading = self.streams.setdefault(name, Reading())
        reading.state, reading.text = state, text


@dataclass(frozen=True)
class Kept:
    """
    What the history has of a stream.
    """

    state: str
    text: str


@dataclass(frozen=True)
class Totals:
    """
    The sums over all streams of a run.

    @ivar streams: How many were begun.
    @ivar done: How many ended as their producers wanted.
    @ivar aborted: How many the daemon ended.
    @ivar forgotten: How many the daemon did not know any more when it had been killed, because they
        were younger than their first checkpoint, or made of emitted events.
    @ivar resent: How many UTF-16 units producers had to send again.
    @ivar lost: Texts in which something is missing that was acknowledged and sent again, and
        streams that a watcher never saw.
    @ivar doubled: Texts in which something comes twice; and how often an end came twice.
    @ivar open: How many watchers, pages of the history and answers of C{ai.get} still say
        C{streaming}.
    @ivar late: How many pieces of text came behind an end.
    @ivar apart: How many watchers have another text, or another state, than the history.
    @ivar unsaid: How many watchers know only that a stream is over.
    @ivar slowest: By how many seconds the end of a stream came later than the lease of its
        producer.
    """

    streams: int = 0
    done: int = 0
    aborted: int = 0
    forgotten: int = 0
    resent: int = 0
    lost: int = 0
    doubled: int = 0
    open: int = 0
    late: int = 0
    apart: int = 0
    unsaid: int = 0
    slowest: float = 0.0

    def __add__(self, other: Totals) -> Totals:
        found = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in _SUMS}
        return Totals(**found, slowest=max(self.slowest, other.slowest))


_SUMS = [each for each in fields(Totals) if each.name != "slowest"]


@dataclass
class Ledger:
    """
    All streams of a run.

    @ivar scripts: What producers write, by the stream's id.
    @ivar resent: See L{Totals}.
    @ivar events: When parts of the daemon were killed, and when they served again, seconds since
        the epoch.
    """

    scripts: dict[str, Script] = field(default_factory=dict)
    resent: int = 0
    events: list[float] = field(default_factory=list)

    def judge(
        self,
        watchers: Sequence[Readings],
        kept: Mapping[str, Sequence[Kept]],
        said: Mapping[str, str | None],
        explain: Callable[[str, str], object],
    ) -> Totals:
        """
        Compare what all places have.

        @param watchers: Those who have been there from the beginning.
        @param kept: What the history has of each stream.
        @param said: The state of each stream by C{ai.get}; L{None} if the daemon does not know it.
        @param explain: Called with each fault: its kind, and words.
        """
        totals = Totals(resent=self.resent)
        for script in self.scripts.values():
            rows = kept.get(script.name, ())
            totals += self._ofOne(script, watchers, rows, said.get(script.name), explain)
        for name in {name for each in watchers for name in each.streams} - self.scripts.keys():
            # A stream of emitted events: its producer does not know its id.
            totals += Totals(streams=1)
            readings = [each.streams[name] for each in watchers if name in each.streams]
            totals += _together(name, readings, None, explain)
        return totals

    def _ofOne(
        self,
        script: Script,
        watchers: Sequence[Readings],
        rows: Sequence[Kept],
        said: str | None,
        explain: Callable[[str, str], object],
    ) -> Totals:
        name, end = script.name, rows[0] if rows else None
        readings = [each.streams[name] for each in watchers if name in each.streams]
        faults: Counter[str] = Counter()

        def fault(kind: str, why: str) -> None:
            faults[kind] += 1
            explain(kind, f"{name}: {why}")

        if said == STREAMING:
            fault("open", "ai.get says that it is streaming")
        if script.state == STUCK:
            fault("open", "its producer can neither go on nor end it")
        if len(rows) > 1:
            fault("doubled", f"the history has it {len(rows)} times")
        if end is None:
            if script.mayBeForgotten or self._isTooYoung(script):
                faults["forgotten"] += 1
            else:
                fault("lost", f"the history does not have it; its producer says {script.state}")
        else:
            faults["done" if end.state == "done" else "aborted"] += 1
            for kind in _wrong(script, end):
                fault(kind, f"the history has {_brief(end.text)}, {end.state}")
            if len(readings) < len(watchers):
                print(name, [sorted(w.streams)[-8:] for w in watchers])
                fault("lost", f"{len(watchers) - len(readings)} watchers have not seen it")
        found = Totals(streams=1, **faults) + _together(name, readings, end, explain)
        slow = max(self._slow(script, readings), default=0.0)
        return found + Totals(slowest=slow)

    def _isTooYoung(self, script: Script) -> bool:
        """
        Whether a daemon may have been killed before it kept anything of a stream, and no producer
        began it again.
        """
        isOver = script.left is not None or script.state == "aborted"
        began = script.began
        return isOver and any(each - UNKEPT <= began <= each + TAKEN for each in self.events)

    def _slow(self, script: Script, readings: Iterable[Reading]) -> Iterator[float]:
        """By how many seconds a stream without a producer ended later than its lease allows."""
        for reading in readings:
            if script.left is not None and reading.ended is not None:
                # A part that was killed begins the lease anew when it is back.
                began = [each for each in self.events if script.left < each < reading.ended]
                yield reading.ended - max([script.left, *began]) - script.lease


def _wrong(script: Script, end: Kept) -> Iterator[str]:
    """The faults in what the history has of a stream."""
    verdict = compare(end.text, script.whole)
    if verdict in (LOST, DOUBLED):
        yield verdict
    elif verdict == BEGUN and (
        end.state == "done" or (script.keepsAll and units(end.text) < script.acked)
    ):
        yield LOST


def _together(
    name: str, readings: Sequence[Reading], end: Kept | None, explain: Callable[[str, str], object]
) -> Totals:
    """The faults at watchers."""
    faults: Counter[str] = Counter()

    def fault(kind: str, why: str) -> None:
        faults[kind] += 1
        explain(kind, f"{name}: a watcher {why}")

    for each in readings:
        if each.ends > 1:
            fault("doubled", f"got {each.ends} ends: {', '.join(each.came)}")
        if each.late:
            fault("late", f"got text behind the end: {', '.join(each.came)}")
        if each.state == STREAMING:
            fault("open", f"has it streaming, with {each.ends} ends and {_brief(each.text)}")
        elif each.state == "unknown":
            faults["unsaid"] += 1
        elif end is not None and (each.state, each.text) != (end.state, end.text):
            fault(
                "apart",
                f"has {each.state}, {_brief(each.text)}; the history {end.state},"
                f" {_brief(end.text)}",
            )
    return Totals(**faults)


def _brief(text: str) -> str:
    return f"{len(text)} characters up to {text[-12:]!r}"
