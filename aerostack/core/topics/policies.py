"""
What holds for a topic: how much of its log is in memory, and what becomes of its
frames when a client reads too slowly.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from aerostack.core.replay.log import Depth
from aerostack.core.topics.patterns import Patterns
from aerostack.core.topics.topics import TABLE, topicOf

CLOSE = "close"
"""Every frame is sent; a client that cannot keep up is closed, and may resume."""
LATEST = "latest"
"""Of frames with the same key only the newest is sent."""
NEWEST = "newest"
"""Only the topic's newest frame is sent."""

OTHERS = "**"
"""Stands in metrics for the topics that no pattern covers."""
OTHER_TABLES = "table/**"
"""Stands in metrics for the topics of tables that no pattern covers."""

KINDS = 1000
"""How many kinds of topics the metrics tell apart."""
REST = "other\0other"
"""The kind of all other topics."""


@dataclass(frozen=True, slots=True)
class KeyedPolicy:
    """
    What holds for a keyed topic.

    @ivar keys: How many keys have values at the most.
    @ivar size: How many bytes the values have at the most, about.
    @ivar ttl: After how many seconds a value ends that is not published again; L{None} for never.
    """

    keys: int = 10_000
    size: int = 16_777_216
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class TopicPolicy:
    """
    How the daemon treats some topics.

    @ivar depth: How much of their log is in memory.
    @ivar whenSlow: L{CLOSE}, L{LATEST} or L{NEWEST}.
    @ivar slowKey: For L{LATEST}: the field of an event's data, or the column of a row,
        that is the key; L{None} for the key of a keyed topic, or else the user who published it.
    @ivar rewind: With how many of the newest frames of the log a subscription begins that does not
        say so.
    @ivar compact: Whether publications may replace kept messages, which then do not expire.
    @ivar keyed: What holds for the values of the topics; L{None} if they are not keyed.
    """

    depth: Depth
    whenSlow: str = CLOSE
    slowKey: str | None = None
    rewind: int = 0
    compact: bool = False
    keyed: KeyedPolicy | None = None

    def conflationKey(self, topic: str, event: str, value: Hashable) -> Hashable:
        """
        The key of a frame: of frames with the same key, a slow reader needs only the newest (see
        L{aerostack.protocol.framing.Frame}).

        @param value: The value of C{slowKey}, or the user who published it if the policy has no
            C{slowKey}.  L{None} if there is no value, so that every such frame is sent.
        """
        if self.whenSlow == NEWEST:
            return (topic,)
        if self.whenSlow == LATEST and value is not None:
            return (topic, event, value)
        return None


class TopicPolicies:
    """
    The policies by patterns.  A topic's policy is the first whose pattern covers its path.
    """

    remembered = 10_000

    def __init__(self, policies: Iterable[tuple[str, TopicPolicy]], default: TopicPolicy) -> None:
        """
        @param policies: Patterns of topics' paths (see L{Patterns}), and their policies.
        """
        self._policies = [(Patterns([pattern]), policy) for pattern, policy in policies]
        self._default = default
        self._found: dict[str, TopicPolicy] = {}
        self._kinds: dict[str, str] = {}
        self._named: set[str] = set()

    def of(self, canonical: str) -> TopicPolicy:
        """
        The policy of a topic, by its canonical name.
        """
        if not self._policies:
            return self._default
        policy = self._found.get(canonical)
        if policy is None:
            path = canonical.rpartition("/")[0]
            policy = next((policy for p, policy in self._policies if p.match(path)), self._default)
            if len(self._found) >= self.remembered:
                self._found.clear()
            self._found[canonical] = policy
        return policy

    def kindOf(self, canonical: str) -> str:
        """
        What the metrics call the kind of a topic: its project and the first pattern that covers its
        path, with a zero byte between them.  So there are only so many kinds, whatever topics
        clients name.  Many projects have many kinds together; those that come after the first
        L{KINDS} are L{REST}.
        """
        kind = self._kinds.get(canonical)
        if kind is None:
            path, _, project = canonical.rpartition("/")
            if len(self._kinds) >= self.remembered:
                self._kinds.clear()
            kind = f"{project}\0{self.patternOf(path)}"
            if kind not in self._named:
                if len(self._named) < KINDS:
                    self._named.add(kind)
                else:
                    kind = REST
            self._kinds[canonical] = kind
        return kind

    def patternOf(self, path: str) -> str:
        """
        The first pattern that covers a topic's path, or a pattern for all others.
        """
        for patterns, _ in self._policies:
            if patterns.match(path):
                return patterns.patterns[0]
        return OTHER_TABLES if path.startswith(f"{TABLE}/") else OTHERS

    def keyedOf(self, canonical: str) -> KeyedPolicy | None:
        """
        What holds for the values of a topic; L{None} if it is not keyed.
        """
        keyed = self.of(canonical).keyed
        return None if keyed is None or topicOf(canonical).table is not None else keyed
