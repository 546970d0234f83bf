"""
The shared logs on a server: Valkey or Redis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.log import Depth
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication
from aerostack.core.replay.receivedtags import ReceivedTags
from aerostack.core.replay.shared import Placed, SharedEntry
from aerostack.engine.valkey.attaching import Attaching
from aerostack.engine.valkey.entries import MalformedEntry
from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.filling import Filling
from aerostack.engine.valkey.keyed import ValkeyValues
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.logscripts import lifeOf
from aerostack.engine.valkey.placing import Placing
from aerostack.engine.valkey.questions import Questions
from aerostack.engine.valkey.refusals import errorOf
from aerostack.interfaces.engine import ILog, ILogReceiver
from aerostack.interfaces.messaging import IHistory


@implementer(ILog)
class ValkeyLog:
    """
    The logs of all topics on a server that several nodes share.

    The link tells it of its connections, as L{aerostack.engine.valkey.link.LinkUser}.  The link
    has to have L{aerostack.engine.valkey.logscripts.SCRIPTS}.

    @ivar interval: Every how many seconds the heads of all topics are compared with the server's.
    """

    interval = 5.0

    _logger = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        history: IHistory,
        depthOf: Callable[[str], Depth],
        run: str,
        window: float,
        patience: float = 3.0,
        keys: Keys | None = None,
        values: ValkeyValues | None = None,
    ) -> None:
        """
        @param depthOf: Tells how much a topic's log holds.
        @param run: The name of this run of this node, different from all others: at most 13 digits
            and small letters.
        @param window: For how many seconds publications that come again are known.
        @param patience: For how many seconds a publication or an attach may wait for the server.
        @param values: The values of keyed topics; L{None} if no topic is keyed.
        """
        self._clock = clock
        self._history = history
        self._depthOf = depthOf
        self._run = run
        self._window = window
        self._patience = patience
        self._keys = keys or Keys()
        self._values = values

    def begin(self, link: Link) -> None:
        """
        Use a link that is not started yet.  It comes after the log, because it tells the log of
        its connections.
        """
        self._link = link

    @property
    def isUp(self) -> bool:
        return self._link.isUp

    def start(self, receiver: ILogReceiver) -> None:
        self._receiver = receiver
        self._questions = Questions(self._link, self._keys, self._life, self._run)
        self._filling = Filling(
            self._clock,
            self._questions,
            self._history,
            lambda topic, items: self._placing.put(topic, items),
        )
        tags = ReceivedTags(self._window)
        self._attaching = Attaching(
            self._clock,
            self._link,
            self._keys,
            self._history,
            receiver,
            self._questions,
            self._patience,
            self.interval,
            lambda topic: self._placing.resume(topic),
            tags,
        )
        self._placing = Placing(
            self._clock,
            self._link,
            self._keys,
            self._run,
            self._depthOf,
            self._window,
            self._patience,
            self._attaching,
            self._filling,
            self._values,
        )
        if self._values is not None:
            self._values.begin(self._link, self._questions)

    def stop(self) -> None:
        self._placing.stop()
        self._attaching.stop()
        self._filling.stop()

    def publish(
        self,
        publication: Publication,
        tag: str,
        repeat: str | None = None,
        prev: int | None = None,
    ) -> Deferred[Placed]:
        return self._placing.publish(publication, tag, repeat, prev)

    def attach(self, topic: str, known: Position | None = None) -> Deferred[Position]:
        return self._attaching.attach(topic, known)

    def detach(self, topic: str) -> None:
        self._attaching.detach(topic)

    def read(
        self, topic: str, after: int, until: int | None, limit: int, size: int
    ) -> Deferred[list[SharedEntry]]:
        def failed(failure: Failure) -> Failure:
            failure.trap(ValkeyError, MalformedEntry)
            return Failure(errorOf(failure.value))

        return self._questions.read(topic, after, until, limit, size).addErrback(failed)

    def bring(self, topic: str, mark: int) -> None:
        """
        Bring the kept messages of a topic up to a mark into its log, if the log lacks them.
        """
        self._filling.owe(topic, mark)

    def _life(self, topic: str) -> bytes:
        return lifeOf(self._depthOf(topic))

    # aerostack.engine.valkey.link.LinkUser

    def up(self, generation: int) -> None:
        """
        Take up a new connection: attach every topic again, send what waits.
        """
        attached = self._attaching.up(self._placing.witnesses)
        # Publications of topics that are followed go when the topic is attached.
        self._placing.up()
        ensureDeferred(self._goOn(generation, attached)).addErrback(
            lambda failure: self._logger.failure("The logs were not taken up", failure)
        )

    async def _goOn(self, generation: int, attached: Deferred[None]) -> None:
        await attached
        if generation == self._link.generation and self._link.isUp:
            self._placing.forgetWitnesses()
            self._receiver.up()

    def down(self, reason: str) -> None:
        """
        Take note that there is no connection.
        """
        self._placing.down()
        self._attaching.down()
        self._receiver.down(reason)

    def pushed(self, push: list[Any]) -> None:
        """
        Take what the server pushes.
        """
        if push[0] == b"message":
            self._attaching.pushed(push[1], push[2])
