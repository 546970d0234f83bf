"""
Puts publications into the logs on the server, those of one topic in the order in which they came.

A topic has one batch on its way at a time.  What comes meanwhile is the next batch.  So a batch
whose answer was lost can be sent again, and no later publication has overtaken it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.replay.log import Depth
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication
from aerostack.core.replay.shared import Placed
from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.keyedscripts import UNKEYED
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.logscripts import PUBLISH, lifeOf, milliseconds
from aerostack.engine.valkey.outcomes import Outcomes, readOutcomes
from aerostack.engine.valkey.placingparts import Filler, Topics, Values
from aerostack.engine.valkey.queues import Item, Queue, due
from aerostack.engine.valkey.refusals import errorOf, passes, unavailable
from aerostack.errors import RealtimeError

PAUSE = 0.1
"""How long to wait before a batch is sent again that the server has refused, and between two looks
for publications whose time is over, in seconds."""


class Placing:
    """
    The publications that wait for the server.

    @ivar maxBytes: How many bytes they may have.
    @ivar maxBatch: How many publications go in one batch.
    @ivar maxBatchBytes: After how many bytes of data a batch takes no more publications.
    @ivar maxWitnesses: How many places it remembers on topics that the node does not follow.
    """

    maxBytes = 8_388_608
    maxBatch = 128
    maxBatchBytes = 262_144
    maxWitnesses = 10_000

    _logger = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        link: Link,
        keys: Keys,
        run: str,
        depthOf: Callable[[str], Depth],
        window: float,
        patience: float,
        topics: Topics,
        filler: Filler,
        values: Values | None = None,
    ) -> None:
        """
        @param run: The name of this run of the node.
        @param window: For how many seconds publications that come again are known.
        @param patience: For how many seconds a publication may wait.
        @param values: The values of keyed topics; L{None} if no topic is keyed.
        """
        self._clock = clock
        self._link = link
        self._keys = keys
        self._run = run
        self._depthOf = depthOf
        self._window = b"%d" % max(1, round(window * 1000))
        self._patience = patience
        self._topics = topics
        self._filler = filler
        self._values = values
        self._queues: dict[str, Queue] = {}
        self._held = 0
        self._serial = 0
        self._isUp = False
        self._isStopped = False
        self._looking: IDelayedCall | None = None
        # The newest place that the server gave on each topic that was not followed.
        self._placed: OrderedDict[str, Position] = OrderedDict()

    @property
    def held(self) -> int:
        """How many bytes wait."""
        return self._held

    def publish(
        self, publication: Publication, tag: str, repeat: str | None, prev: int | None
    ) -> Deferred[Placed]:
        """
        See L{aerostack.interfaces.engine.ILog.publish}.
        """
        if self._isStopped:
            return fail(unavailable("The daemon is stopping."))
        topic, mark = publication.topic, publication.mark
        item = Item(
            publication,
            tag,
            # Without the mark before, all but the very one before it has to be read.
            mark - 1 if prev is None and mark is not None else prev,
            None if repeat is None else self._keys.repeatOf(topic, repeat),
            self._clock.seconds() + self._patience,
        )
        if self._held and self._held + item.size > self.maxBytes:
            self._owe(topic, item)
            return fail(unavailable("Too much waits for the engine."))
        done: Deferred[Placed] = Deferred()
        item.done = done
        self._held += item.size
        self._queueOf(topic).items.append(item)
        self._look()
        self.resume(topic)
        return done

    def put(self, topic: str, items: list[Item]) -> None:
        """
        Put messages of the history into a topic's log, before what waits.
        """
        self._queueOf(topic).items.extendleft(reversed(items))
        self.resume(topic)

    @property
    def witnesses(self) -> Mapping[str, Position]:
        """
        The newest places on topics that the node does not follow, by topic.  The server has
        answered with them, so it must have them when it comes back.
        """
        return self._placed

    def forgetWitnesses(self) -> None:
        """
        The server has been asked for all places.
        """
        self._placed.clear()

    # The link

    def up(self) -> None:
        """
        The server answers: send what waits, and again what was not answered.
        """
        self._isUp = True
        for topic in tuple(self._queues):
            self.resume(topic)

    def down(self) -> None:
        """
        The server does not answer.
        """
        self._isUp = False

    def stop(self) -> None:
        """
        Refuse everything that waits.
        """
        self._isUp, self._isStopped = False, True
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        for queue in tuple(self._queues.values()):
            for item in (*queue.batch, *queue.items):
                self._refuse(queue.topic, item, unavailable("The daemon is stopping."))
        self._queues.clear()

    def resume(self, topic: str) -> None:
        """
        Send a topic's next batch, or the one that was not answered, if that can be now.
        """
        queue = self._queues.get(topic)
        if queue is None or queue.busy:
            return
        if not queue.items and not queue.batch:
            del self._queues[topic]
            return
        if not self._isUp or not self._topics.isReady(topic):
            return
        if not any(item.done is not None or item.deadline is None for item in queue.batch):
            # Nothing waits for its answer any more.
            queue.batch = []
        if not queue.batch:
            if not queue.items:
                del self._queues[topic]
                return
            self._serial += 1
            queue.takeBatch(self._serial, self.maxBatch, self.maxBatchBytes)
        queue.busy = True
        self._link.run(PUBLISH, *self._command(queue)).addCallbacks(
            self._answered, self._failed, (queue,), errbackArgs=(queue,)
        ).addErrback(self._broke, queue)

    def _command(self, queue: Queue) -> tuple[list[bytes], list[bytes]]:
        """The keys and arguments of a batch."""
        topic, depth = queue.topic, self._depthOf(queue.topic)
        bounds = UNKEYED if self._values is None else self._values.boundsOf(topic)
        isKeyed = self._values is not None and bounds != UNKEYED
        keys = [
            self._keys.metaOf(topic),
            self._keys.streamOf(topic),
            self._keys.batchOf(topic, self._run),
        ]
        if isKeyed and self._values is not None:
            keys += self._values.keysOf(topic)
        arguments = [
            self._keys.channelOf(topic),
            b"%d" % max(1, depth.count),
            b"%d" % depth.size,
            milliseconds(depth.age),
            lifeOf(depth),
            b"%d" % queue.serial,
            self._window,
            *bounds,
        ]
        for item in queue.batch:
            index = 0
            if item.repeat is not None:
                keys.append(item.repeat)
                index = len(keys)
            mark = b"" if item.mark is None else b"%d" % item.mark
            if item.isRefused or (item.mark is None and self._topics.had(topic, item.tag.decode())):
                mark = b"x"
            arguments += (item.tag, mark, b"%d" % (item.prev or 0), b"%d" % index, item.body)
            if isKeyed:
                arguments += item.keyed
        return keys, arguments

    def _answered(self, answer: bytes, queue: Queue) -> None:
        topic, batch = queue.topic, queue.batch
        if not answer and self._topics.follows(topic):
            # The log is gone.  When it is there again they are new to it.
            queue.busy = False
            queue.putBack(0)
            self._topics.verify(topic)
            return
        if answer:
            found = readOutcomes(answer, partial(self._full, topic))
        elif any(item.keyed[0] for item in batch):
            found = Outcomes(isUnprepared=True)
        else:
            found = Outcomes([Placed(None)] * len(batch))
        queue.putBack(len(found.placed))
        queue.busy = found.missing is not None or found.isUnprepared
        if found.missing is not None:
            self._fill(queue, *found.missing)
        elif found.isUnprepared:
            self._prepare(queue)
        # Who learns of an outcome may publish again at once.
        for item, outcome in zip(batch, found.placed, strict=False):
            if isinstance(outcome, Placed) and outcome.position is not None:
                self._note(topic, outcome.position)
            self._settle(item, outcome)
        if not found.isReserved:
            # Otherwise the next look tries again.
            self.resume(topic)

    def _full(self, topic: str, code: bytes) -> RealtimeError:
        """Make the error for a value for which there is no room."""
        assert self._values is not None
        return self._values.full(topic, code)

    def _prepare(self, queue: Queue) -> None:
        """
        Have the values of a keyed topic compared with the database before anything is placed.
        """
        assert self._values is not None

        def prepared(_: None) -> None:
            queue.busy = False
            self.resume(queue.topic)

        def failed(failure: Failure) -> None:
            # The next look tries again.
            failure.trap(RealtimeError, ValkeyError)
            queue.busy = False

        self._values.prepare(queue.topic).addCallbacks(prepared, failed).addErrback(
            self._broke, queue
        )

    def _fill(self, queue: Queue, after: int, epoch: str) -> None:
        """
        Bring the kept messages that are missing before the first that waits.
        """
        first = queue.items[0]
        until = first.prev or 0

        def found(items: list[Item]) -> None:
            queue.busy = False
            if queue.items and queue.items[0] is first:
                # What was read is all that there is before it.
                first.prev = items[-1].mark if items else after
            self.put(queue.topic, items)

        def failed(failure: Failure) -> None:
            # The next look tries again.
            failure.trap(RealtimeError, ValkeyError)
            queue.busy = False

        self._filler.missing(queue.topic, epoch, after, until).addCallbacks(
            found, failed
        ).addErrback(self._broke, queue)

    def _failed(self, failure: Failure, queue: Queue) -> None:
        queue.busy = False
        failure.trap(ValkeyError)
        refused = failure.value
        if passes(refused):
            # The batch is sent again when the link is back, or at the next look.
            return
        self._logger.error("The engine refused publications: {error}", error=str(refused))
        error = errorOf(refused)
        batch, queue.batch = queue.batch, []
        for item in batch:
            self._refuse(queue.topic, item, error)
        self.resume(queue.topic)

    def _broke(self, failure: Failure, queue: Queue) -> None:
        """Note a mistake of ours; the topic's other publications go on."""
        self._logger.failure("Placing publications failed", failure)
        batch, queue.batch, queue.busy = queue.batch, [], False
        for item in batch:
            self._refuse(queue.topic, item, unavailable("The daemon could not publish it."))

    # Outcomes

    def _settle(self, item: Item, outcome: Placed | Exception) -> None:
        done, item.done = item.done, None
        if done is not None:
            self._held -= item.size
            # With an exception it fails.
            done.callback(Failure(outcome) if isinstance(outcome, Exception) else outcome)

    def _refuse(self, topic: str, item: Item, error: RealtimeError) -> None:
        done, item.done = item.done, None
        if done is not None:
            self._held -= item.size
            self._owe(topic, item)
            done.errback(error)

    def _owe(self, topic: str, item: Item) -> None:
        if item.mark is not None:
            self._filler.owe(topic, item.mark)

    def _note(self, topic: str, place: Position) -> None:
        """Remember a place on a topic for which no other head is remembered."""
        if not self._topics.follows(topic):
            self._placed[topic] = place
            self._placed.move_to_end(topic)
            if len(self._placed) > self.maxWitnesses:
                self._placed.popitem(last=False)

    def _queueOf(self, topic: str) -> Queue:
        queue = self._queues.get(topic)
        if queue is None:
            queue = self._queues[topic] = Queue(topic)
        return queue

    # Patience

    def _look(self) -> None:
        if self._looking is None and not self._isStopped:
            self._looking = self._clock.callLater(PAUSE, self._expire)

    def _expire(self) -> None:
        """Refuse what has waited for too long, and try again what the server refused."""
        self._looking = None
        now = self._clock.seconds()
        for queue in tuple(self._queues.values()):
            for item in due(queue, now):
                self._refuse(queue.topic, item, unavailable("The engine does not answer."))
            self.resume(queue.topic)
        if self._queues:
            self._look()
