"""
The engine of a daemon that is alone.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.following import verify
from aerostack.core.replay.log import OVERHEAD, Depth
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Kept, Publication
from aerostack.core.replay.shared import Placed, SharedEntry
from aerostack.errors import RealtimeError
from aerostack.interfaces.engine import ILog, ILogReceiver
from aerostack.interfaces.messaging import IEngine, IHistory


@implementer(IEngine)
class MemoryEngine:
    """
    Passes every publication on to this daemon at once, in the order in which they come.
    """

    def __init__(self) -> None:
        self._receive: Callable[[Publication], None] | None = None

    def start(self, receive: Callable[[Publication], None]) -> None:
        self._receive = receive

    def publish(
        self, publication: Publication, key: Hashable = None, kept: Kept | None = None
    ) -> None:
        if self._receive is None:
            raise RuntimeError("the engine is not started")
        self._receive(publication)


@implementer(ILog)
class MemoryLog:
    """
    The logs of a daemon that is alone, in its memory.

    The history commits messages in the order of their marks, and no other node publishes, so kept
    publications need no sorting here.
    """

    isUp = True

    def __init__(
        self,
        clock: IReactorTime,
        depthOf: Callable[[str], Depth],
        newEpoch: Callable[[], str],
        history: IHistory,
        window: float,
        limit: int = 100_000,
    ) -> None:
        """
        @param depthOf: Tells how much a topic's log holds.
        @param newEpoch: Makes epochs; each call of each run gives another.
        @param history: Gives the mark of a topic's newest kept message.
        @param window: For how many seconds publications that come again are known.
        @param limit: How many publications that may come again are known at most.
        """
        self._clock = clock
        self._depthOf = depthOf
        self._newEpoch = newEpoch
        self._history = history
        self._window = window
        self._limit = limit
        self._receiver: ILogReceiver | None = None
        self._rings: dict[str, _Ring] = {}
        self._attaching: dict[str, Deferred[Any]] = {}
        # When each publication that may come again was placed, and where.
        self._repeats: OrderedDict[tuple[str, str], tuple[float, Position]] = OrderedDict()

    def start(self, receiver: ILogReceiver) -> None:
        self._receiver = receiver

    def stop(self) -> None:
        self._receiver = None

    def publish(
        self,
        publication: Publication,
        tag: str,
        repeat: str | None = None,
        prev: int | None = None,
    ) -> Deferred[Placed]:
        if self._receiver is None:
            return fail(RealtimeError("engine_unavailable", "The engine is stopped.", 1000))
        topic, now = publication.topic, self._clock.seconds()
        ring = self._ringOf(topic, now)
        if ring is None:
            return succeed(Placed(None))
        key = None if repeat is None else (topic, repeat)
        found = None if key is None else self._repeats.get(key)
        if found is not None and now - found[0] <= self._window:
            return succeed(Placed(found[1], True))
        head, mark = ring.head, publication.mark
        if mark is not None and mark <= head.mark:
            return succeed(Placed(head, True))
        place = Position(
            head.epoch,
            (head.offset or 0) + 1,
            head.mark if mark is None else mark,
            seen=head.seen or mark is not None,
            tag=tag,
        )
        if key is not None:
            self._remember(key, place, now)
        self._add(topic, ring, SharedEntry(place, head.tag, publication), now)
        return succeed(Placed(place))

    def attach(self, topic: str, known: Position | None = None) -> Deferred[Position]:
        ring = self._ringOf(topic, self._clock.seconds())
        if ring is not None:
            return succeed(self._follow(topic, ring, known))

        def opened(newest: list[Kept]) -> Position:
            self._attaching.pop(topic, None)
            reached = max(newest[0].createdAt if newest else 0, known.mark if known else 0)
            made = _Ring(Position(self._newEpoch(), 0, reached, seen=reached > 0))
            self._rings[topic] = made
            return self._follow(topic, made, known)

        def failed(failure: Failure) -> Failure:
            self._attaching.pop(topic, None)
            return failure

        asked = self._history.page(topic, 1, None)
        self._attaching[topic] = asked
        return asked.addCallbacks(opened, failed)

    def detach(self, topic: str) -> None:
        attaching = self._attaching.pop(topic, None)
        if attaching is not None:
            attaching.cancel()
        ring = self._rings.get(topic)
        if ring is not None:
            ring.idle = self._clock.seconds()

    def read(
        self, topic: str, after: int, until: int | None, limit: int, size: int
    ) -> Deferred[list[SharedEntry]]:
        ring = self._ringOf(topic, self._clock.seconds())
        found: list[SharedEntry] = []
        for _, entry in () if ring is None else ring.entries:
            offset = entry.position.offset or 0
            if offset <= after:
                continue
            size -= _sizeOf(entry)
            if (until is not None and offset > until) or len(found) == limit:
                break
            if found and size < 0:
                break
            found.append(entry)
        return succeed(found)

    def _follow(self, topic: str, ring: _Ring, known: Position | None) -> Position:
        ring.idle, ring.missed = None, None
        if known is None:
            return ring.head
        after = known.offset or 0
        missed = [e for _, e in ring.entries if (e.position.offset or 0) > after]
        follows = bool(missed) and missed[0].position.offset == after + 1
        if verify(known, ring.head, missed[0].before if follows else None) is not None:
            return ring.head
        if missed:
            # They come after the caller has got the place from which they go on, and before
            # what is published from now on.
            ring.missed = missed
            self._clock.callLater(0, self._bring, topic, ring)
        return known

    def _bring(self, topic: str, ring: _Ring) -> None:
        """Pass on what the node missed before it attached the topic."""
        missed, ring.missed = ring.missed, None
        for entry in missed or ():
            self._pass(topic, ring, entry)

    def _add(self, topic: str, ring: _Ring, entry: SharedEntry, now: float) -> None:
        """Put an entry into a log, and pass it on if the topic is followed."""
        ring.head = entry.position
        ring.entries.append((now, entry))
        ring.size += _sizeOf(entry)
        self._trim(topic, ring, now)
        if ring.missed is not None:
            ring.missed.append(entry)
        else:
            self._pass(topic, ring, entry)

    def _pass(self, topic: str, ring: _Ring, entry: SharedEntry) -> None:
        if ring.idle is None and self._receiver is not None:
            self._receiver.received(topic, entry)

    def _trim(self, topic: str, ring: _Ring, now: float) -> None:
        """Forget the entries that are too many or too old."""
        depth = self._depthOf(topic)
        while ring.entries and (
            len(ring.entries) > depth.count
            or ring.size > depth.size
            or ring.entries[0][0] < now - depth.age
        ):
            ring.size -= _sizeOf(ring.entries.popleft()[1])

    def _ringOf(self, topic: str, now: float) -> _Ring | None:
        """The log of a topic, without what is too old; L{None} if the topic has no log."""
        ring = self._rings.get(topic)
        if ring is None:
            return None
        if ring.idle is not None and ring.idle < now - self._depthOf(topic).age:
            del self._rings[topic]
            return None
        self._trim(topic, ring, now)
        return ring

    def _remember(self, key: tuple[str, str], place: Position, now: float) -> None:
        """Note a publication that may come again."""
        self._repeats[key] = (now, place)
        self._repeats.move_to_end(key)
        while self._repeats:
            at, _ = next(iter(self._repeats.values()))
            if now - at <= self._window and len(self._repeats) <= self._limit:
                return
            self._repeats.popitem(last=False)


class _Ring:
    """
    One topic's newest entries.

    @ivar head: The newest place.
    @ivar entries: When each was added, seconds, and the entry.
    @ivar size: How many bytes they have, about.
    @ivar idle: Since when the topic is not followed, seconds; L{None} while it is.
    @ivar missed: What is still to be passed on from before the topic was attached.
    """

    __slots__ = ("entries", "head", "idle", "missed", "size")

    def __init__(self, head: Position) -> None:
        self.head = head
        self.entries: deque[tuple[float, SharedEntry]] = deque()
        self.size = 0
        self.idle: float | None = None
        self.missed: list[SharedEntry] | None = None


def _sizeOf(entry: SharedEntry) -> int:
    """About how many bytes of memory an entry takes."""
    return len(entry.publication.data) + OVERHEAD
