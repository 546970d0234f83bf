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
    How the daemon treats some topics.

    @ivar depth: How much of their log is in memory.
    @ivar whenSlow: L{CLOSE}, L{LATEST} or L{NEWEST}.
    @ivar slowKey: For L{LATEST}: the field of an event's data, or the column of a row,
        that is the key; L{None} for the user who published it.
    """

    depth: Depth
    whenSlow: str = CLOSE
    slowKey: str | None = None

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
