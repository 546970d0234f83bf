"""
Keeps a topic's publications in the order in which they came, although the database commits some of
them first.  L{aerostack.hub.sequencing} gives them their positions in the topic's log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from aerostack.core.replay.publications import Kept, Message, Publication, Receipt
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.messaging import IEngine, IHistory


class CommitQueues:
    """
    Passes publications to the engine, those of one topic in the order in which they came.

    @ivar maxWaiting: How many publications of one topic may wait for one that is being kept.
    @ivar maxTopicBytes: How many bytes they may have.
    @ivar maxPublisherBytes: How many bytes those of one client may have.
    @ivar maxProjectBytes: How many bytes those of all topics of a project may have.
    @ivar maxBytes: How many bytes those of all topics may have.
    """

    maxWaiting = 1000
    maxTopicBytes = 8_388_608
    maxPublisherBytes = 4_194_304
    maxProjectBytes = 16_777_216
    maxBytes = 33_554_432

    def __init__(self, history: IHistory, engine: IEngine) -> None:
        """
        @param history: Keeps messages.
        @param engine: Gets each publication when its turn has come.
        """
        self._history = history
        self._engine = engine
        self._queues: dict[str, _Queue] = {}
        # How many bytes wait of all, of each project and of each client.
        self._held = 0
        self._ofProject: dict[str, int] = {}
        self._ofPublisher: dict[str, int] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._queues

    def enter(
        self,
        publication: Publication,
        message: Message | None,
        publisher: str | None = None,
        key: Hashable = None,
    ) -> Deferred[Receipt | None] | None:
        """
        Pass a publication on, at once or when its turn has come.

        @param message: What the history is to keep of it first; L{None} for nothing.
        @param publisher: The connection that it comes from; L{None} for a server's request.
        @param key: See L{IEngine.publish}.
        @return: L{None} if the publication has its place in the topic's order now, and is not kept.
            Else a L{Deferred}, which fires when the publication has its place; if it is kept, after
            the commit, with the receipt; if a transaction has emitted it, not before the engine has
            it.  It fails with L{RealtimeError} C{database_unavailable} if
            it could not be kept, or if too much waits already; then the engine does not get it.  It
            fails with the engine's error if it is not kept, and the engine did not take it.
        """
        queue = self._queues.get(publication.topic)
        if message is None and queue is None:
            placed: Deferred[Receipt | None] | None = self._engine.publish(publication, key)
            return placed
        waiting = _Waiting(publication, key, publisher)
        if queue is not None and not self._fits(queue, waiting):
            return fail(_tooMuch("on this topic"))
        if (refusal := self._refusal(waiting)) is not None:
            return fail(refusal)
        self._push(waiting)
        if message is None:
            waiting.ready = True
        else:
            waiting.isEmitted = message.emitted is not None
            self._await(waiting, self._history.append(message))
        return waiting.done

    def enterEnd(
        self,
        publication: Publication,
        unkept: Publication,
        keeping: Deferred[Kept | None],
        key: Hashable,
    ) -> Deferred[Receipt | None]:
        """
        Pass on the end of a token stream when its turn has come.  It is never refused.

        @param unkept: What is passed on in its place if it is not kept in time.
        @param keeping: Fires with the message that was kept; or with L{None} if it is not kept in
            time.  If it fails, nothing is passed on.
        @param key: See L{IEngine.publish}.
        @return: Fires as that of L{enter}.
        """
        waiting = _Waiting(publication, key, None)
        waiting.unkept = unkept
        self._push(waiting)
        self._await(waiting, keeping)
        return waiting.done

    def _push(self, waiting: _Waiting) -> None:
        topic = waiting.publication.topic
        queue = self._queues.get(topic)
        if queue is None:
            queue = self._queues[topic] = _Queue()
        queue.waiting.append(waiting)
        self._count(queue, waiting, waiting.size)

    def _await(self, waiting: _Waiting, keeping: Deferred[Any]) -> None:
        """Flush a topic's queue when one of its publications has been kept."""
        keeping.addCallbacks(self._kept, self._lost, (waiting,), errbackArgs=(waiting,))

    def _kept(self, kept: Kept | None, waiting: _Waiting) -> None:
        waiting.take(kept)
        self._flush(waiting.publication.topic)

    def _lost(self, failure: Failure, waiting: _Waiting) -> None:
        waiting.failure = failure
        waiting.ready = True
        self._flush(waiting.publication.topic)

    def _refusal(self, waiting: _Waiting) -> RealtimeError | None:
        """Look whether too much waits already.  A single publication may be larger than a bound."""
        size = waiting.size
        if self._held and self._held + size > self.maxBytes:
            return _tooMuch("on all topics")
        held = self._ofProject.get(waiting.project, 0)
        if held and held + size > self.maxProjectBytes:
            return _tooMuch("on the project's topics")
        held = self._ofPublisher.get(waiting.publisher or "", 0)
        if held and held + size > self.maxPublisherBytes:
            return _tooMuch("from this connection")
        return None

    def _flush(self, topic: str) -> None:
        """Pass on, from the front, what need not wait any longer."""
        queue = self._queues[topic]
        while queue.waiting and queue.waiting[0].ready:
            waiting = queue.waiting.popleft()
            self._count(queue, waiting, -waiting.size)
            if not queue.waiting:
                del self._queues[topic]
            if waiting.failure is not None:
                waiting.done.errback(waiting.failure)
                continue
            try:
                placed = self._engine.publish(waiting.publication, waiting.key, waiting.result)
            except Exception:
                # The publications behind it go on all the same.
                waiting.done.errback(Failure())
                continue
            if placed is None:
                waiting.done.callback(waiting.receipt)
            elif waiting.result is None:
                placed.chainDeferred(waiting.done)
            elif waiting.isEmitted:
                # It is published again until the engine has it, because others come behind it.
                placed.addCallback(lambda _, receipt=waiting.receipt: receipt)
                placed.chainDeferred(waiting.done)
            else:
                # It is kept.  If the engine does not take it now, it gets it later.
                placed.addErrback(lambda failure: failure.trap(RealtimeError))
                waiting.done.callback(waiting.receipt)

    def _count(self, queue: _Queue, waiting: _Waiting, size: int) -> None:
        """Note that so many bytes more wait, or fewer."""
        queue.size += size
        self._held += size
        _add(self._ofProject, waiting.project, size)
        if waiting.publisher is not None:
            _add(self._ofPublisher, waiting.publisher, size)

    def _fits(self, queue: _Queue, waiting: _Waiting) -> bool:
        return (
            len(queue.waiting) < self.maxWaiting and queue.size + waiting.size <= self.maxTopicBytes
        )


def _add(held: dict[str, int], owner: str, size: int) -> None:
    """Note that so many bytes more of an owner wait, or fewer."""
    left = held.get(owner, 0) + size
    if left:
        held[owner] = left
    else:
        del held[owner]


def _tooMuch(where: str) -> RealtimeError:
    return RealtimeError("database_unavailable", f"Too much waits for the database {where}.", 1000)


_OVERHEAD = 1024
"""About how many bytes of memory a waiting publication takes beside its data."""


class _Queue:
    """The publications of one topic that wait, and how many bytes they have."""

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.size = 0


class _Waiting:
    """A publication that waits in its topic's queue."""

    __slots__ = (
        "done",
        "failure",
        "isEmitted",
        "key",
        "project",
        "publication",
        "publisher",
        "ready",
        "result",
        "size",
        "unkept",
    )

    def __init__(self, publication: Publication, key: Hashable, publisher: str | None) -> None:
        self.publication = publication
        self.key = key
        self.project = projectOf(publication.topic)
        self.publisher = publisher
        self.size = len(publication.data) + _OVERHEAD
        self.ready = False
        self.isEmitted = False
        self.result: Kept | None = None
        self.unkept: Publication | None = None
        self.failure: Failure | None = None
        self.done: Deferred[Receipt | None] = Deferred()

    @property
    def receipt(self) -> Receipt | None:
        """What its publisher gets."""
        return None if self.result is None else self.result.receipt

    def take(self, kept: Kept | None) -> None:
        """Note what was kept; L{None} if nothing was in time."""
        self.ready = True
        if kept is None:
            assert self.unkept is not None
            self.publication = self.unkept
            return
        self.result = kept
        # The live frame and the history have the same time.
        mark = kept.createdAt
        data = kept.message.data if self.unkept is None else self.publication.data
        self.publication = replace(self.publication, timestamp=mark, mark=mark, data=data)
