"""
The nodes on one server: each reports itself every second, and they ask each other over channels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import count
from secrets import token_bytes
from typing import Any

from msgspec import DecodeError
from twisted.internet.defer import Deferred, TimeoutError, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.nodes.membership import LEASE, REMEMBERED, UNKNOWN, Membership, Peer
from aerostack.core.nodes.reports import (
    Description,
    Report,
    decodeDescription,
    decodeReport,
    encodeReport,
)
from aerostack.core.nodes.seals import KEY
from aerostack.engine.alone import Answer
from aerostack.engine.valkey.errors import ReplyError, ValkeyError
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.nodemessages import Answered, Asked, decodeMessage, encodeMessage
from aerostack.engine.valkey.nodescripts import LEAVE, REPORT
from aerostack.interfaces.nodes import INodes

LEAVING = 0.5
"""Seconds that the server has to forget a node that stops."""

TOLD = 30.0
"""Seconds that a node has for what it need not answer."""

MOST = 1000
"""How many questions wait for answers at a time, and how many questions of others are being
answered.  Of more, this node asks no other, and answers none."""

LARGEST = 4_194_304
"""How many bytes a question or an answer may have."""


class _Waiting:
    """
    A question that waits for answers.

    @ivar answers: By the run of each node, its answer so far.
    @ivar missing: The runs of the nodes that are waited for.
    @ivar others: How many other nodes have the question; L{None} while the server has not said so.
        A node that has just come is one of them, and is not in the list of nodes yet.
    """

    __slots__ = ("answers", "deferred", "missing", "others", "timeout")

    def __init__(self, peers: Sequence[Peer]) -> None:
        self.answers: dict[str, bytes | None] = {peer.run: None for peer in peers}
        self.missing = {peer.run for peer in peers if not peer.isSilent}
        self.others: int | None = None
        self.deferred: Deferred[dict[str, bytes | None]] = Deferred()
        self.timeout: IDelayedCall | None = None

    @property
    def isComplete(self) -> bool:
        """Whether there is an answer of each node that is waited for."""
        return not self.missing and self.others is not None and len(self.answers) >= self.others


@implementer(INodes)
class ValkeyNodes:
    """
    This node among the others on a server.

    @ivar name: The name of this node.
    @ivar membership: What is known of the others.
    @ivar descriptions: What must be the same at all nodes, by the digest that reports name.
    @ivar lapsed: Called when this node is heard again after others have taken it for dead.
    @ivar changed: Called after each report, and when the engine does not answer any more.
    @ivar interval: Seconds between two reports.
    @ivar refusal: What the server said if it does not let this node ask others; L{None} if it does.
    """

    log = Logger()
    isAlone = False

    def __init__(
        self, clock: IReactorTime, run: str, name: str, keys: Keys, lease: float = LEASE
    ) -> None:
        """
        @param run: The id of this node's run, which no other has.
        @param lease: After how many seconds without a report a node is silent.
        """
        self.name = name
        self.membership = Membership(run, name, lease)
        self.descriptions: dict[str, Description | None] = {}
        self.changed: Callable[[], None] = lambda: None
        self.lapsed: Callable[[], None] = lambda: None
        self.interval = 1.0
        self.refusal: str | None = None
        self._clock = clock
        self._run = run
        self._lease = lease
        self._root = keys.nodes
        self._all = keys.nodesChannel
        self._mine = keys.nodeChannelOf(run)
        self._channelOf = keys.nodeChannelOf
        self._handlers: dict[str, Answer] = {}
        # The server may have another one.
        self._key = token_bytes(KEY)
        self._sealing: list[Callable[[bytes], object]] = []
        self._waiting: dict[int, _Waiting] = {}
        self._numbers = count(1)
        self._answering = 0
        # Whether the channels are subscribed, a report is on its way, and what was described.
        self._listens = self._isReporting = False
        self._described: bytes | None = None
        self._lag = 0.0
        # When the last report was sent that the server has taken.
        self._heard: float | None = None
        self._reports = LoopingCall(self._beat)
        self._reports.clock = clock

    def begin(self, link: Link) -> None:
        """
        Use a link from now on.
        """
        self._link = link

    def start(self, report: Callable[[float], Report], describe: Callable[[], bytes]) -> None:
        """
        Begin to report.

        @param report: Says how this node is.  It gets the seconds by which the last report was
            late.
        @param describe: Gives the bytes of what must be the same at all nodes.
        """
        self._makeReport = report
        self._describe = describe
        self._begun = self._clock.seconds()
        self._reports.start(self.interval, now=False).addErrback(self._broken)

    def stop(self) -> Deferred[Any]:
        """
        End, and tell the server.

        @return: Fires when the server knows it, or cannot be reached.
        """
        if self._reports.running:
            self._reports.stop()
        self._giveUp()
        if not self._listens:
            return succeed(None)
        self._listens = False
        left = self._link.run(LEAVE, [self._root], [self._run])
        return left.addTimeout(LEAVING, self._clock).addErrback(_lost)

    # LinkUser

    def up(self, generation: int) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser.up}."""
        self._described = None
        subscribed = self._link.subscribe([self._all, self._mine])
        subscribed.addCallbacks(self._subscribed, self._refused, callbackArgs=(generation,))

    def _subscribed(self, _: None, generation: int) -> None:
        if generation == self._link.generation and self._reports.running:
            self._listens = True
            self.refusal = None
            self._isReporting = False
            self._report()

    def _refused(self, failure: Failure) -> None:
        failure.trap(ValkeyError)
        if failure.check(ReplyError):
            self.refusal = str(failure.value)
            self.log.warn("The other nodes cannot be asked: {error}", error=failure.value)

    def down(self, reason: str) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser.down}."""
        self._listens = False
        self.membership.lost()
        self._giveUp()
        self.changed()

    def pushed(self, push: list[Any]) -> None:
        """See L{aerostack.engine.valkey.link.LinkUser.pushed}."""
        if push[0] != b"message" or push[1] not in (self._all, self._mine):
            return
        try:
            message = decodeMessage(push[2])
        except DecodeError as error:
            self.log.warn("A node has sent what this version does not know: {error}", error=error)
            return
        if isinstance(message, Answered):
            self._answered(message)
        elif message.run != self._run:
            self._asked(message)

    # Reports

    def _beat(self) -> None:
        now = self._clock.seconds()
        self._lag, self._begun = max(0.0, now - self._begun - self.interval), now
        self._report()

    def _report(self) -> None:
        if not self._listens or self._isReporting:
            return
        self._isReporting = True
        described = self._describe()
        arguments = [
            self._run.encode(),
            encodeReport(self._makeReport(self._lag)),
            self.name.encode(),
            round(self._lease * 1000),
            round(REMEMBERED * 1000),
            b"" if described == self._described else described,
            self._key,
        ]
        reporting = Deferred.fromCoroutine(self._tell(arguments, described))
        reporting.addErrback(self._notReported, self._link.generation)

    @property
    def isCurrent(self) -> bool:
        """Whether the engine answers, so that the list of nodes is how it is now."""
        return self.membership.isCurrent

    @property
    def isNamed(self) -> bool:
        """Whether no other node has this node's name."""
        return self.membership.isNamed

    @property
    def isHeard(self) -> bool:
        """Whether the others have reason to think that this node runs."""
        return self._heard is None or self._clock.seconds() - self._heard < self._lease

    @property
    def silent(self) -> Collection[str]:
        """The names of the nodes that are not waited for."""
        return self.membership.silent

    def isGone(self, run: str) -> bool:
        """
        See L{Membership.isGone}.
        """
        return self.membership.isGone(run, self._clock.seconds())

    async def _tell(self, arguments: list[Any], described: bytes) -> None:
        generation, sent = self._link.generation, self._clock.seconds()
        isDescribed, key, *found = await self._link.run(REPORT, [self._root], arguments)
        rows = []
        for run, age, data in zip(found[::3], found[1::3], found[2::3], strict=True):
            report = decodeReport(data)
            if report is not None:
                rows.append((run.decode(), int(age) / 1000, report))
        await self._learn(rows)
        if generation != self._link.generation or not self._listens:
            return
        if key != self._key:
            self._key = key
            for take in self._sealing:
                take(key)
        self._described = described if isDescribed else None
        self._isReporting = False
        self.membership.read(rows, self._clock.seconds())
        hasLapsed = self._heard is not None and sent - self._heard >= self._lease
        self._heard = sent
        if hasLapsed:
            self.lapsed()
        self.changed()

    async def _learn(self, rows: list[tuple[str, float, Report]]) -> None:
        """Read the descriptions that are not known yet, and forget those of no node."""
        runs = {report.description: run for run, _, report in rows if run != self._run}
        self.descriptions = {
            digest: each for digest, each in self.descriptions.items() if digest in runs
        }
        new = [digest for digest in runs if digest not in self.descriptions]
        if new:
            found = await self._link.command(
                b"HMGET", self._root + b":descriptions", *(runs[digest].encode() for digest in new)
            )
            for digest, data in zip(new, found, strict=True):
                # The server may have lost it; the node will send it again.
                if data is not None:
                    self.descriptions[digest] = decodeDescription(data)

    def _notReported(self, failure: Failure, generation: int) -> None:
        if generation == self._link.generation:
            self._isReporting = False
        if not failure.check(ValkeyError):
            self.log.failure("The node cannot report itself.", failure)

    def _broken(self, failure: Failure) -> None:
        self.log.failure("The node reports itself no more.", failure)

    # Questions of this node

    @property
    def count(self) -> int:
        return len(self.membership.peers)

    def whenSealed(self, take: Callable[[bytes], object]) -> None:
        """See L{INodes.whenSealed}."""
        self._sealing.append(take)
        take(self._key)

    def serve(self, kind: str, answer: Answer) -> None:
        self._handlers[kind] = answer

    def tell(self, kind: str, data: bytes) -> None:
        self._publish(self._all, Asked(self._run, 0, kind, TOLD, data))

    def ask(self, kind: str, data: bytes, timeout: float) -> Deferred[dict[str, bytes | None]]:
        peers = self.membership.peers
        if not self._listens or len(self._waiting) >= MOST or len(data) > LARGEST:
            return succeed(self._named({peer.run: None for peer in peers}))
        number = next(self._numbers)
        waiting = self._waiting[number] = _Waiting(peers)
        waiting.timeout = self._clock.callLater(timeout, self._finish, number)
        sent = self._publish(self._all, Asked(self._run, number, kind, timeout, data))
        sent.addCallback(self._sent, number)
        return waiting.deferred

    def _sent(self, reached: int | None, number: int) -> None:
        waiting = self._waiting.get(number)
        if waiting is None:
            return
        # The server has counted this node, too.
        waiting.others = 0 if reached is None else reached - 1
        if reached is None or waiting.isComplete:
            self._finish(number)

    def _answered(self, message: Answered) -> None:
        waiting = self._waiting.get(message.number)
        if waiting is None:
            return
        if message.data is None or len(message.data) <= LARGEST:
            waiting.answers[message.run] = message.data
        else:
            self.log.warn("The answer of a node is too large.")
        waiting.missing.discard(message.run)
        if waiting.isComplete:
            self._finish(message.number)

    def _finish(self, number: int) -> None:
        waiting = self._waiting.pop(number)
        if waiting.timeout is not None and waiting.timeout.active():
            waiting.timeout.cancel()
        for run in waiting.missing:
            self.log.warn("{node} did not answer.", node=self.membership.nameOf(run))
        waiting.deferred.callback(self._named(waiting.answers))

    def _giveUp(self) -> None:
        for number in tuple(self._waiting):
            self._finish(number)

    def _named(self, answers: dict[str, bytes | None]) -> dict[str, bytes | None]:
        named = {self.membership.nameOf(run): answer for run, answer in answers.items()}
        return named if self._listens else {**named, UNKNOWN: None}

    def _publish(self, channel: bytes, message: Asked | Answered) -> Deferred[int | None]:
        sent: Deferred[Any] = self._link.command(b"PUBLISH", channel, encodeMessage(message))
        return sent.addErrback(_lost)

    # Questions of others

    def _asked(self, message: Asked) -> None:
        handler = self._handlers.get(message.kind)
        if handler is None or self._answering >= MOST:
            self._answer(message, None)
            return
        self._answering += 1
        answering: Deferred[Any] = maybeDeferred(handler, message.data, message.timeout)
        answering.addErrback(self._failed).addCallback(self._reply, message)

    def _failed(self, failure: Failure) -> None:
        self.log.failure("A question of another node has no answer.", failure)

    def _reply(self, data: bytes | None, message: Asked) -> None:
        self._answering -= 1
        self._answer(message, data)

    def _answer(self, message: Asked, data: bytes | None) -> None:
        if message.number:
            self._publish(self._channelOf(message.run), Answered(self._run, message.number, data))


def _lost(failure: Failure) -> None:
    """
    The server has not answered: the link sees to that itself.
    """
    failure.trap(ValkeyError, TimeoutError)
