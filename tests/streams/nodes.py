"""
Other nodes, for tests of streams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from aerostack.core.answers.openstream import OpenStream
from aerostack.errors import RealtimeError
from aerostack.interfaces.emittedowners import IEmittedOwners
from aerostack.interfaces.openstreams import IOpenStreams


class FakeNodes:
    """
    The other nodes, as one of them sees them.

    @ivar answers: What serves each of the others, by its name; L{None} for one that is silent.
    @ivar told: The questions that need no answer.
    """

    name = "here"
    isAlone = False

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[bytes, float], Deferred[bytes]] | None] = {}
        self.served: Any = None
        self.told: list[bytes] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.answers)

    def serve(self, kind: str, answer: Any) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self.served = answer

    def tell(self, kind: str, data: bytes) -> None:
        """See L{aerostack.interfaces.nodes.INodes}."""
        self.told.append(data)

    def ask(self, kind: str, data: bytes, timeout: float) -> Deferred[dict[str, bytes | None]]:
        """See L{aerostack.interfaces.nodes.INodes}."""
        found: dict[str, bytes | None] = {}
        for name, answer in self.answers.items():
            if answer is None:
                found[name] = None
            else:
                answer(data, timeout).addCallback(lambda data, n=name: found.update({n: data}))
        return succeed(found)


@implementer(IOpenStreams)
class FakeOpenStreams:
    """
    The open streams of all nodes, as one of them sees them.

    @ivar shared: The streams of each run, which all nodes have in common.
    @ivar isDown: Whether the engine does not answer.
    """

    def __init__(self, run: str, shared: dict[str, set[OpenStream]] | None = None) -> None:
        self.shared = {} if shared is None else shared
        self.isDown = False
        self._run = run

    def opened(self, stream: OpenStream) -> None:
        self.shared.setdefault(self._run, set()).add(stream)

    def closed(self, stream: OpenStream) -> None:
        self.shared.get(self._run, set()).discard(stream)

    def runs(self) -> Deferred[list[str]]:
        if self.isDown:
            return fail(RealtimeError("engine_unavailable", "It is down.", 1000))
        return succeed(sorted(self.shared))

    def of(self, run: str) -> Deferred[list[OpenStream]]:
        return succeed(sorted(self.shared.get(run, ()), key=lambda each: each.stream))

    def drop(self, run: str, streams: Sequence[OpenStream]) -> Deferred[None]:
        left = self.shared.get(run, set())
        left.difference_update(streams)
        if not left:
            self.shared.pop(run, None)
        return succeed(None)


@implementer(IEmittedOwners)
class FakeEmittedOwners:
    """
    Who has the streams of emitted events, as one node sees it.

    @ivar shared: The owner of each topic, which all nodes have in common.
    @ivar isDown: Whether the engine does not answer.
    @ivar late: If it is not L{None}, what the engine has been asked and has not answered.
    @ivar renewed: The topics that were renewed.
    """

    def __init__(self, run: str, shared: dict[str, str]) -> None:
        self.shared = shared
        self.isDown = False
        self.late: list[tuple[Deferred[Any], Any]] | None = None
        self.renewed: list[str] = []
        self._run = run

    def own(self, topic: str, instead: str | None) -> Deferred[str]:
        if not self.isDown and self.shared.get(topic) in (None, instead):
            self.shared[topic] = self._run
        return self._answer(self.shared.get(topic))

    def ownerOf(self, topic: str) -> Deferred[str | None]:
        return self._answer(self.shared.get(topic))

    def renew(self, topic: str) -> None:
        self.renewed.append(topic)

    def disown(self, topic: str) -> None:
        if self.shared.get(topic) == self._run:
            del self.shared[topic]

    def _answer(self, found: Any) -> Deferred[Any]:
        if self.isDown:
            return fail(RealtimeError("engine_unavailable", "It is down.", 1000))
        if self.late is None:
            return succeed(found)
        answer: Deferred[Any] = Deferred()
        self.late.append((answer, found))
        return answer
