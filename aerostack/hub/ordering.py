"""
The order of a topic's publications, some of which are kept before they are sent.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from aerostack.core.replay.publications import Kept, Message, Publication, Receipt
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.interfaces import IHistory


class OrderedPublisher:
    """
    Lets publications through in the order in which they came, topic by topic.

    @ivar maxLane: How many publications of one topic may wait for one that is being
        kept.
    @ivar maxLaneBytes: How many bytes they may have.
    @ivar maxPublisherBytes: How many bytes those of one client may have.
    @ivar maxProjectBytes: How many bytes those of all topics of a project may have.
    @ivar maxBytes: How many bytes those of all topics may have.
    """

    maxLane = 1000
    maxLaneBytes = 8_388_608
    maxPublisherBytes = 4_194_304
    maxProjectBytes = 16_777_216
    maxBytes = 33_554_432

    def __init__(self, history: IHistory, publish: Callable[[Publication], None]) -> None:
        """
        @param publish: Gets each publication when its turn has come.
        """
        self._history = history
        self._publish = publish
        self._lanes: dict[str, _Lane] = {}
        # How many bytes wait of each client, of each project and of all.
        self._held: Counter[_Scope] = Counter()

    def __contains__(self, topic: str) -> bool:
        return topic in self._lanes

    def enter(
        self, publication: Publication, message: Message | None, publisher: str | None = None
    ) -> Deferred[Receipt | None]:
        """
        Let a publication through.

        @param publisher: The client that it comes from; L{None} for a server.
        @param message: What of it is to be kept first, if it is.
        @return: Fires when it is on its way; where it is kept, after the commit, with
            the receipt.  Fails with L{RealtimeError} C{database_unavailable} if it
            could not be kept; then nobody gets it.
        """
        lane = self._lanes.get(publication.topic)
        if message is None and lane is None:
            self._publish(publication)
            return succeed(None)
        waiting = _Waiting(publication, _scopes(publisher, projectOf(publication.topic)))
        if lane is not None and not self._fits(lane, waiting):
            return fail(_tooMuch("on this topic"))
        most = (self.maxBytes, self.maxProjectBytes, self.maxPublisherBytes)
        for scope, bound in zip(waiting.scopes, most, strict=False):
            held = self._held[scope]
            if held and held + waiting.size > bound:
                return fail(_tooMuch(scope[0]))
        if lane is None:
            lane = self._lanes[publication.topic] = _Lane()
        lane.waiting.append(waiting)
        self._count(lane, waiting, waiting.size)
        if message is None:
            waiting.ready = True
            return waiting.done
        self._history.append(message).addCallbacks(waiting.kept, waiting.lost).addCallback(
            lambda _: self._flush(publication.topic)
        )
        return waiting.done

    def _flush(self, topic: str) -> None:
        """Let go what need not wait any longer, from the front."""
        lane = self._lanes[topic]
        while lane.waiting and lane.waiting[0].ready:
            waiting = lane.waiting.popleft()
            self._count(lane, waiting, -waiting.size)
            if not lane.waiting:
                del self._lanes[topic]
            if waiting.failure is not None:
                waiting.done.errback(waiting.failure)
                continue
            try:
                self._publish(waiting.publication)
            except Exception:
                # Those behind it are to be let go all the same.
                waiting.done.errback(Failure())
            else:
                waiting.done.callback(waiting.result)

    def _count(self, lane: _Lane, waiting: _Waiting, size: int) -> None:
        """Note that so many bytes more wait, or fewer."""
        lane.size += size
        for scope in waiting.scopes:
            self._held[scope] += size
            if not self._held[scope]:
                del self._held[scope]

    def _fits(self, lane: _Lane, waiting: _Waiting) -> bool:
        return len(lane.waiting) < self.maxLane and lane.size + waiting.size <= self.maxLaneBytes


_Scope = tuple[str, str]
"""Whose bytes are counted together, as a message names it, and which of them it is."""


def _scopes(publisher: str | None, project: str) -> tuple[_Scope, ...]:
    """What a publication counts towards, the widest first."""
    scopes = (("on all topics", ""), ("on the project's topics", project))
    return scopes if publisher is None else (*scopes, ("from this connection", publisher))


def _tooMuch(where: str) -> RealtimeError:
    return RealtimeError("database_unavailable", f"Too much waits for the database {where}.", 1000)


_OVERHEAD = 1024
"""What one that waits costs in memory beside its data, about."""


class _Lane:
    """What waits on one topic, and how many bytes that is."""

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.size = 0


class _Waiting:
    """A publication in its topic's lane."""

    def __init__(self, publication: Publication, scopes: tuple[_Scope, ...]) -> None:
        self.publication = publication
        self.scopes = scopes
        self.size = len(publication.data) + _OVERHEAD
        self.ready = False
        self.result: Receipt | None = None
        self.failure: Failure | None = None
        self.done: Deferred[Receipt | None] = Deferred()

    def kept(self, kept: Kept) -> None:
        # What is told live and what stands in the history say the same time.
        self.publication = replace(self.publication, timestamp=kept.createdAt, mark=kept.createdAt)
        self.result = kept.receipt
        self.ready = True

    def lost(self, failure: Failure) -> None:
        self.failure = failure
        self.ready = True
