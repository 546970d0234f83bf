"""
The metrics of the clients of a process.
"""

from __future__ import annotations

from collections.abc import Mapping

from aerostack.net.http.measured import Timings
from aerostack.net.http.metriclist import BY_NAME, CLOSES, OUTBOXES, READERS, keyOf, labelKey
from aerostack.sessions.context import SessionContext


def clientValues(context: SessionContext) -> Mapping[str, float]:
    """
    The counters and gauges.
    """
    # A rate needs a number before the first event, too.
    closes = {keyOf(CLOSES, *each): 0 for each in BY_NAME[CLOSES].of}
    for each, count in context.counts.closes.items():
        closes[keyOf(CLOSES, *each)] = count
    projects = context.backlogs.projects.items()
    return {
        **closes,
        **{keyOf(OUTBOXES, name): backlog.size for name, backlog in projects},
        **{keyOf(READERS, name): backlog.readers for name, backlog in projects},
    }


def clientTimings(context: SessionContext) -> Timings:
    """
    The histograms.
    """
    counts = context.counts
    return {
        "aerostack_received_frame_bytes": counts.received,
        "aerostack_acknowledgement_seconds": {
            labelKey("true"): counts.kept,
            labelKey("false"): counts.passing,
        },
    }
