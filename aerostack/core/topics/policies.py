"""
What holds for a topic: how much of its log is in memory, and what becomes of its
frames when a client reads too slowly.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from aerostack.core.replay.log import Depth
from aerostack.core.topics.patterns import Patterns

CLOSE = "close"
"""Every frame is sent; a client that cannot keep up is closed, and may resume."""
LATEST = "latest"
"""Of frames with the same key only the newest is sent."""
NEWEST = "newest"
"""Only the topic's newest frame is sent."""


@dataclass(frozen=True, slots=True)
class TopicPolicy:
    """
    What holds for some topics.

    @ivar depth: How much of their log is in memory.
    @ivar whenSlow: L{CLOSE}, L{LATEST} or L{NEWEST}.
    @ivar slowKey: For L{LATEST}: the field of an event's data, or the column of a row,
        that is the key.  Where it is L{None}, the key is who published it.
    """

    depth: Depth
    whenSlow: str = CLOSE
    slowKey: str | None = None

    def conflationKey(self, topic: str, event: str, value: Hashable) -> Hashable:
        """
        The key by which a frame is spared (see L{aerostack.protocol.framing.Frame}).

        @param value: The value of C{slowKey} or, where there is none, who published it.
            L{None} if it has none, so that every such frame is sent.
        """
        if self.whenSlow == NEWEST:
            return (topic,)
        if self.whenSlow == LATEST and value is not None:
            return (topic, event, value)
        return None


class TopicPolicies:
    """
    Which rule holds for which topic: of those whose pattern covers its path the first.
    """

    remembered = 10_000

    def __init__(self, rules: Iterable[tuple[str, TopicPolicy]], default: TopicPolicy) -> None:
        """
        @param rules: Patterns of topics' paths (see L{Patterns}), and what holds.
        """
        self._rules = [(Patterns([pattern]), rule) for pattern, rule in rules]
        self._default = default
        self._found: dict[str, TopicPolicy] = {}

    def of(self, canonical: str) -> TopicPolicy:
        """
        The rule of a topic, by its canonical name.
        """
        if not self._rules:
            return self._default
        rule = self._found.get(canonical)
        if rule is None:
            path = canonical.rpartition("/")[0]
            rule = next((rule for p, rule in self._rules if p.match(path)), self._default)
            if len(self._found) >= self.remembered:
                self._found.clear()
            self._found[canonical] = rule
        return rule
