"""
How many subscribers the topics have on which token streams run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from aerostack.core.answers.answers import Answers
from aerostack.interfaces.nodes import INodes

KIND = "sa"
"""See L{INodes.serve}."""

MOST = 500
"""How many topics one message to the other nodes has at the most."""

FRESH = 30.0
"""For how many seconds what another node has said counts.  Each says it again each second, but one
may be held up."""


class _Audience(msgspec.Struct, frozen=True, array_like=True):
    """
    How many subscribers topics have at a node.

    @ivar counts: By canonical topic.  A topic that has had none for a while is not there.
    @ivar asks: The topics of which the node wants to know.
    """

    node: str
    counts: dict[str, int]
    asks: list[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Audience).decode


class Audience:
    """
    Counts the subscribers of topics, here and at the other nodes.

    @ivar local: How many a canonical topic has at this node, in all its processes.
    @ivar wanted: The topics for which the number decides about something here.  Another node may
        have subscribers of such a topic without knowing of a stream there.
    """

    def __init__(self, clock: IReactorTime, nodes: INodes, answers: Answers) -> None:
        """
        @param answers: The streams that this node knows.
        """
        self.local: Callable[[str], int] = _nobody
        self.wanted: Collection[str] = ()
        self._clock = clock
        self._nodes = nodes
        self._answers = answers
        # By topic and node, a number and up to when it counts.
        self._elsewhere: dict[str, dict[str, tuple[int, float]]] = {}
        # The topics that had subscribers here when the other nodes were told last.
        self._said: set[str] = set()
        # The topics that other nodes have asked for, each up to when that counts.
        self._asked: dict[str, float] = {}
        nodes.serve(KIND, self._heard)

    def count(self, topic: str) -> int:
        """
        How many subscribers a canonical topic has.
        """
        now = self._clock.seconds()
        elsewhere = self._elsewhere.get(topic, {}).values()
        return self.local(topic) + sum(count for count, until in elsewhere if until > now)

    def sweep(self) -> Iterator[None]:
        """
        Say to the other nodes how many subscribers are here, and ask them; forget what they said
        too long ago.
        """
        now = self._clock.seconds()
        for topic, heard in tuple(self._elsewhere.items()):
            self._elsewhere[topic] = {n: each for n, each in heard.items() if each[1] > now}
            if not self._elsewhere[topic]:
                del self._elsewhere[topic]
        self._asked = {topic: until for topic, until in self._asked.items() if until > now}
        yield
        if self._nodes.count:
            topics = {*self._answers.topics, *self._asked}
            counts = {topic: self.local(topic) for topic in topics}
            said = {topic: n for topic, n in counts.items() if n or topic in self._said}
            self._said = {topic for topic, n in said.items() if n}
            counted, wanted = list(said.items()), list(self.wanted)
            for start in range(0, max(len(counted), len(wanted)), MOST):
                part = slice(start, start + MOST)
                audience = _Audience(self._nodes.name, dict(counted[part]), wanted[part])
                self._nodes.tell(KIND, _encode(audience))
                yield

    def _heard(self, data: bytes, timeout: float) -> Deferred[bytes]:
        """Take what another node says, as far as it is about streams that are known here."""
        said, until = _decode(data), self._clock.seconds() + FRESH
        self._asked.update(dict.fromkeys(said.asks, until))
        known = set(self._answers.topics)
        for topic, count in said.counts.items():
            if topic in known:
                self._elsewhere.setdefault(topic, {})[said.node] = (count, until)
        return succeed(b"")


def _nobody(topic: str) -> int:
    """The number before clients are served."""
    return 0
