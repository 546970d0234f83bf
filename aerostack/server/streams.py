"""
Token streams, as the configuration wants them.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from aerostack.core.answers.answers import Budget
from aerostack.hub.backbone import Backbone
from aerostack.interfaces.answers import IAnswerStore
from aerostack.interfaces.messaging import IHistory
from aerostack.net.http.measured import Timings
from aerostack.settings.ai import AIConfig
from aerostack.streams.audience import Audience
from aerostack.streams.checkpointing import Checkpointer
from aerostack.streams.counting import Counting
from aerostack.streams.keeping import EndKeeper
from aerostack.streams.streams import Streams


def streamValues(streams: Streams | None) -> dict[str, float]:
    """
    The values of L{aerostack.net.http.metriclist.METRICS} about the token streams of a node.

    @param streams: L{None} for a process in which none runs.
    """
    counts = Counting() if streams is None else streams.counts
    return {
        "aerostack_streams": 0 if streams is None else len(streams.answers),
        "aerostack_streams_bytes": 0 if streams is None else streams.answers.size,
        "aerostack_streams_unkept_total": 0 if streams is None else streams.keeper.unkept,
        **{f"aerostack_streams_{state}_total": n for state, n in counts.ended.items()},
        "aerostack_stream_appends_total": counts.appends,
        "aerostack_stream_characters_total": counts.characters,
        "aerostack_stream_frames_total": counts.frames,
    }


def streamTimings(streams: Streams) -> Timings:
    """
    The histograms about the token streams of a node.
    """
    return {
        "aerostack_stream_first_token_seconds": streams.counts.first,
        "aerostack_stream_tick_seconds": streams.ticker.took,
    }


def makeStreams(
    clock: IReactorTime,
    now: Callable[[], int],
    config: AIConfig,
    backbone: Backbone,
    history: IHistory,
    store: IAnswerStore,
    node: str,
    run: str,
    newId: Callable[[], str],
    audience: Audience,
) -> Streams:
    """
    Make the token streams of a node.

    @param now: The time of day, milliseconds since the epoch.
    @param node: The name of the node.
    @param run: The id of its run.
    @param newId: Makes an id; each call of each run gives another.
    """
    answers = backbone.sequencer.answers
    answers.linger = config.linger
    answers.budget = Budget(
        config.textBytes,
        config.memory,
        config.topicStreams,
        config.projectStreams,
        config.parts,
        config.valueBytes,
    )
    streams = Streams(
        clock,
        now,
        answers,
        backbone.publisher,
        newId,
        EndKeeper(clock, history, config.keepWait),
        Checkpointer(store, node, run),
        audience,
    )
    streams.expiry.idle = config.stalled
    streams.expiry.maxAge = config.maxAge
    return streams
