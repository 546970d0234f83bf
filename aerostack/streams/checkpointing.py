"""
Has what is new of running token streams kept, so that a restart of the daemon loses little of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.answers.answer import OWNER, Answer, Terms
from aerostack.core.answers.checkpoints import (
    VALUE,
    AnswerRecord,
    Checkpoint,
    Piece,
    StoredAnswer,
    StoredPart,
)
from aerostack.core.answers.part import Part
from aerostack.core.answers.recovering import recover
from aerostack.core.answers.units import after as textAfter
from aerostack.core.answers.units import units
from aerostack.core.replay.publications import Publication
from aerostack.errors import RealtimeError
from aerostack.interfaces.answers import IAnswerStore
from aerostack.protocol.streams import headOf

MOST = 131_072
"""How many characters of text one transaction writes at the most; but one stream's at least.  They
are in memory twice meanwhile, and the next transaction follows at once."""


class _About(msgspec.Struct):
    """
    What a restarted daemon needs beside the fields of a record.
    """

    began: int
    cancel: str = OWNER
    lease: float = 30.0
    meta: msgspec.Raw = msgspec.Raw(b"{}")
    editions: dict[str, int] = {}


@dataclass(slots=True)
class _Written:
    """
    How much of a stream the database has.

    @ivar record: Its record.
    @ivar lengths: How much of the text of each part, UTF-16 units.
    @ivar editions: How often text of each part was taken back.
    @ivar values: The value of each part.
    """

    record: AnswerRecord | None = None
    lengths: dict[str, int] = field(default_factory=dict)
    editions: Mapping[str, int] = field(default_factory=dict)
    values: dict[str, bytes] = field(default_factory=dict)


class Checkpointer:
    """
    Writes what is new of streams, each character once.  A part of which text was taken back is
    written again.

    @ivar run: The run of this daemon, as L{AnswerRecord} has it.
    @ivar lost: Called with each stream that another daemon turns out to have.
    """

    log = Logger()

    def __init__(self, store: IAnswerStore, node: str, run: str) -> None:
        """
        @param node: The name of this daemon, as L{AnswerRecord} has it.
        """
        self.run = run
        self.lost: Callable[[Answer], object] = lambda answer: None
        self._store = store
        self._node = node
        self._changed: dict[Answer, None] = {}
        self._written: dict[Answer, _Written] = {}
        self._writing: Deferred[int] = succeed(0)

    def changed(self, answer: Answer) -> None:
        """
        Note that a stream has something new.
        """
        if answer.terms.persist:
            self._changed[answer] = None

    def isWritten(self, answer: Answer) -> bool:
        """
        Whether the database has something of a stream, as far as this daemon knows.
        """
        return answer in self._written

    def ended(self, answer: Answer) -> None:
        """
        Write no more of a stream: it has ended.
        """
        self._changed.pop(answer, None)
        self._written.pop(answer, None)

    def sweep(self) -> Iterator[None]:
        """
        Write what is new, if nothing is being written.
        """
        if self._changed and self._writing.called:
            Deferred.fromCoroutine(self._writeAll(len(self._changed)))
        yield

    async def _writeAll(self, streams: int) -> None:
        """Write what is new of so many streams, as long as the database takes it."""
        while streams > 0 and self._changed:
            written = await self.write()
            streams = streams - written if written else 0

    def write(self) -> Deferred[int]:
        """
        Write what is new, or as much of it as L{MOST} says.

        @return: Fires with the number of streams that are written; 0 if the database does not take
            it now.
        """
        records: list[AnswerRecord] = []
        pieces: list[Piece] = []
        taken: list[tuple[str, str]] = []
        after: dict[Answer, _Written] = {}
        left = MOST
        for answer in tuple(self._changed):
            if left <= 0:
                break
            del self._changed[answer]
            before = self._written.get(answer) or _Written()
            record = self._recordOf(answer)
            if record != before.record:
                records.append(record)
            lengths, editions = dict(before.lengths), dict(answer.editions)
            after[answer] = _Written(record, lengths, editions, dict(before.values))
            for name, edition in editions.items():
                if edition != before.editions.get(name):
                    taken.append((answer.record, name))
                    lengths.pop(name, None)
            for place, part in enumerate(tuple(answer.parts.values())):
                new = list(_piecesOf(answer, place, part, after[answer]))
                pieces += new
                left -= sum(len(piece.text) for piece in new)

        def done(foreign: Collection[str]) -> int:
            for answer, written in after.items():
                if answer.end is None and answer.record in foreign:
                    self.lost(answer)
                elif answer.end is None:
                    self._written[answer] = written
            return len(after)

        def failed(failure: Failure) -> int:
            # The store has logged its own refusals.  The next checkpoint writes what is missing.
            if not failure.check(RealtimeError):
                self.log.failure("what is new of streams cannot be kept", failure)
            for answer in after:
                if answer.end is None:
                    self._changed[answer] = None
            return 0

        writing: Deferred[Any] = self._store.write(
            Checkpoint(tuple(records), tuple(pieces), self.run, tuple(taken))
        )
        self._writing = writing.addCallbacks(done, failed)
        return self._writing

    def flushed(self) -> Deferred[None]:
        """
        Write everything that is new, before the daemon ends.
        """
        return Deferred.fromCoroutine(self._flush())

    async def _flush(self) -> None:
        while not self._writing.called:
            await _settled(self._writing)
        while self._changed and await self.write():
            pass

    def restore(
        self,
        stored: StoredAnswer,
        mirror: Answer | None = None,
        published: Iterable[Publication] = (),
    ) -> Answer:
        """
        Make the stream again that a daemon has left.

        @param mirror: What this daemon has of it because it followed the topic's log: it is this
            object that goes on, so that its watchers do.  L{None} if there is nothing.
        @param published: What the topic's log has, if there is no C{mirror}; see L{recover}.
        @raise ValueError: Another program has written it.
        """
        record = stored.record
        about = msgspec.json.decode(record.about, type=_About)
        terms = Terms(record.owner, about.cancel, about.lease, True, bytes(about.meta))
        answer = mirror or Answer(record.name, record.id, record.topic, terms, about.began)
        answer.record, answer.terms, answer.began = record.id, terms, about.began
        answer.producer, answer.epoch = record.producer, record.epoch
        answer.head = headOf(answer)
        answer.isShown, answer.isMirror = True, False
        # The record is written again, so that this daemon learns if another one has it by then.
        written = self._written[answer] = _Written(editions=about.editions)
        for each in stored.parts:
            self._join(answer, each, about.editions.get(each.name, 0))
            written.lengths[each.name] = units(each.text)
            if each.value is not None:
                value = each.value.encode()
                written.values[each.name] = value
                if answer.parts[each.name].value is None:
                    answer.put(each.name, each.kind, value)
        if mirror is None:
            recover(answer, published)
        self.changed(answer)
        return answer

    def regain(self, stored: StoredAnswer, answer: Answer) -> None:
        """
        Let a stream go on that runs here and that another daemon had for a while.

        @param stored: What the other daemon has left of it.
        """
        record = stored.record
        if record.epoch > answer.epoch:
            answer.producer, answer.epoch = record.producer, record.epoch
        editions = msgspec.json.decode(record.about, type=_About).editions
        for each in stored.parts:
            self._join(answer, each, editions.get(each.name, 0))
        # What the database has may be of either daemon, so all is written again.
        self._written[answer] = _Written(editions=editions)
        self.changed(answer)

    def _join(self, answer: Answer, stored: StoredPart, edition: int) -> None:
        """
        Let a part of a stream have what the database has of it.  The log may have more than the
        last checkpoint, or less.

        @param edition: How often text of it was taken back before that checkpoint.
        """
        part = answer.part(stored.name, stored.kind, edition)
        if part.edition < edition:
            # The log does not say yet that text was taken back.
            part = answer.takeBack(stored.name, 0, edition)
        if part.edition == edition:
            rest = textAfter(stored.text, part.length)
            answer.append(stored.name, stored.kind, rest or "")

    def _recordOf(self, answer: Answer) -> AnswerRecord:
        terms = answer.terms
        meta = msgspec.Raw(terms.meta)
        about = _About(answer.began, terms.cancel, terms.lease, meta, dict(answer.editions))
        return AnswerRecord(
            answer.record,
            answer.id,
            answer.topic,
            self._node,
            terms.owner,
            answer.epoch,
            answer.producer,
            msgspec.json.encode(about),
            self.run,
        )


def _piecesOf(answer: Answer, place: int, part: Part, written: _Written) -> Iterator[Piece]:
    """Give what is new of a part, and note that it is written."""
    name, length = part.name, written.lengths.get(part.name, 0)
    if part.length > length:
        text = part.read(length, part.length)
        yield Piece(answer.record, name, place, part.kind, length, text)
        written.lengths[name] = part.length
    if part.value is not None and part.value != written.values.get(name):
        yield Piece(answer.record, name, place, part.kind, VALUE, part.value.decode())
        written.values[name] = part.value


def _settled(writing: Deferred[int]) -> Deferred[None]:
    """Wait for another's result, without taking it."""
    waited: Deferred[None] = Deferred()

    def settled(result: int) -> int:
        waited.callback(None)
        return result

    writing.addCallback(settled)
    return waited
