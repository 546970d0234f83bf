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

MOST_CAME = 10_000
"""How many topics a node remembers that it has begun to follow, until it tells the other nodes."""

FRESH = 30.0
"""For how many seconds the numbers of another node count.  Each node sends them again each second,
but a node may be held up."""


class _Audience(msgspec.Struct, frozen=True, array_like=True):
    """
    How many subscribers topics have at a node.

    @ivar counts: By canonical topic.  A topic that has had none for a while is not there.
    @ivar asks: The topics of which the node wants to know.
    @ivar came: The topics that the node has begun to follow.
    """

    node: str
    counts: dict[str, int]
    asks: list[str]
    came: list[str] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Audience).decode


class Audience:
    """
    Counts the subscribers of topics, here and at the other nodes.

    @ivar local: How many a canonical topic has at this node, in all its processes.
    @ivar wanted: The topics for which the number decides about something here.  Another node may
        have subscribers of such a topic without knowing of a stream there.
    @ivar remind: Called with each topic that another node has begun to follow, if streams run on it
        as far as this node knows.
    """

    def __init__(self, clock: IReactorTime, nodes: INodes, answers: Answers) -> None:
        """
        @param answers: The streams that this node knows.
        """
        self.local: Callable[[str], int] = _nobody
        self.wanted: Collection[str] = ()
        self.remind: Callable[[str], object] = lambda topic: None
        self._clock = clock
        self._nodes = nodes
        self._answers = answers
        # By topic and node: a number, and until when it counts.
        self._elsewhere: dict[str, dict[str, tuple[int, float]]] = {}
        # The topics that had subscribers here when this node last told the others.
        self._said: set[str] = set()
        # The topics that other nodes have asked for, each with the time until which that counts.
        self._asked: dict[str, float] = {}
        # The topics that this node, and that other nodes have begun to follow since the last sweep.
        self._came: dict[str, None] = {}
        self._joined: set[str] = set()
        nodes.serve(KIND, self._heard)

    def count(self, topic: str) -> int:
        """
        How many subscribers a canonical topic has.
        """
        now = self._clock.seconds()
        elsewhere = self._elsewhere.get(topic, {}).values()
        return self.local(topic) + sum(count for count, until in elsewhere if until > now)

    def came(self, topic: str) -> None:
        """
        Note that subscribers here, who have nothing of the streams that run elsewhere, get what
        comes of a canonical topic from now on.
        """
        if not self._nodes.isAlone:
            if len(self._came) >= MOST_CAME:
                del self._came[next(iter(self._came))]
            self._came[topic] = None

    def sweep(self) -> Iterator[None]:
        """
        Remind other nodes of the streams on topics that they have begun to follow.  Tell them how
        many subscribers are here, and ask them for theirs.  Forget the numbers that are too old.
        """
        joined, self._joined = self._joined, set()
        for topic in joined:
            self.remind(topic)
            yield
        now = self._clock.seconds()
        for topic, heard in tuple(self._elsewhere.items()):
            self._elsewhere[topic] = {n: each for n, each in heard.items() if each[1] > now}
            if not self._elsewhere[topic]:
                del self._elsewhere[topic]
        self._asked = {topic: until for topic, until in self._asked.items() if until > now}
        yield
        if self._nodes.count:
            came, self._came = list(self._came), {}
            topics = {*self._answers.topics, *self._asked}
            counts = {topic: self.local(topic) for topic in topics}
            said = {topic: n for topic, n in counts.items() if n or topic in self._said}
            self._said = {topic for topic, n in said.items() if n}
            counted, wanted = list(said.items()), list(self.wanted)
            for start in range(0, max(len(counted), len(wanted), len(came)), MOST):
                part = slice(start, start + MOST)
                audience = _Audience(
                    self._nodes.name, dict(counted[part]), wanted[part], came[part]
                )
                self._nodes.tell(KIND, _encode(audience))
                yield

    def _heard(self, data: bytes, timeout: float) -> Deferred[bytes]:
        """Take what another node says, as far as it is about streams that are known here."""
        said, until = _decode(data), self._clock.seconds() + FRESH
        self._asked.update(dict.fromkeys(said.asks, until))
        known = set(self._answers.topics)
        self._joined.update(known.intersection(said.came))
        for topic, count in said.counts.items():
            if topic in known:
                self._elsewhere.setdefault(topic, {})[said.node] = (count, until)
        return succeed(b"")


def _nobody(topic: str) -> int:
    """The number before clients are served."""
    return 0
