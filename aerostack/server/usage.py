"""
The metrics of what projects use.
"""

from __future__ import annotations

from collections.abc import Mapping

from aerostack.core.diagnosis.topiccounts import TopicCounts
from aerostack.net.http.metriclist import ACCEPTED, CONNECTIONS, SUBSCRIPTIONS, keyOf
from aerostack.sessions.shares import Shares


def usedValues(shares: Shares, accepted: TopicCounts) -> Mapping[str, float]:
    """
    The counters and gauges.

    @param accepted: How many publications were accepted, by the kinds of topics.
    """
    return {
        **{keyOf(ACCEPTED, kind): count for kind, count in accepted.byKind().items()},
        **{keyOf(CONNECTIONS, name): count for name, count in shares.connections.items()},
        **{keyOf(SUBSCRIPTIONS, name): count for name, count in shares.subscriptions.items()},
    }
