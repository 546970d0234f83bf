"""
What the configuration says of topics, as the parts of the daemon take it.
"""

from __future__ import annotations

from aerostack.core.replay.log import Depth
from aerostack.core.rows.selection import Bounds
from aerostack.core.topics.policies import KeyedPolicy, TopicPolicies, TopicPolicy
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.settings import Config


def snapshotBounds(limits: LimitsConfig) -> Bounds:
    """
    How much of a table a subscription may begin with.
    """
    return Bounds(limits.snapshotRows, limits.snapshotBytes, limits.querySeconds)


def makePolicies(config: Config) -> TopicPolicies:
    """
    Make the policies of all topics.  A topic without settings of its own has those of
    C{[replay]}.
    """
    replay = config.replay
    default = TopicPolicy(Depth(replay.count, replay.size, replay.age))
    return TopicPolicies(
        [
            (
                pattern,
                TopicPolicy(
                    Depth(
                        replay.count if topic.count is None else topic.count,
                        replay.size if topic.size is None else topic.size,
                        replay.age if topic.age is None else topic.age,
                    ),
                    topic.whenSlow,
                    topic.slowKey,
                    topic.rewind,
                    topic.compact,
                    KeyedPolicy(topic.keys, topic.stateBytes, topic.ttl) if topic.keyed else None,
                ),
            )
            for pattern, topic in config.topics.items()
        ],
        default,
    )
