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
from aerostack.settings.ai import AIConfig
from aerostack.streams.checkpointing import Checkpointer
from aerostack.streams.keeping import EndKeeper
from aerostack.streams.streams import Streams


def makeStreams(
    clock: IReactorTime,
    now: Callable[[], int],
    config: AIConfig,
    backbone: Backbone,
    history: IHistory,
    store: IAnswerStore,
    node: str,
    newId: Callable[[], str],
) -> Streams:
    """
    Make the token streams of a node.

    @param now: The time of day, milliseconds since the epoch.
    @param node: The name of the node.
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
        Checkpointer(store, node),
    )
    streams.idle = config.stalled
    streams.maxAge = config.maxAge
    return streams
