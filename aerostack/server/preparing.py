"""
What the daemon asks the database before it serves clients.  All of it blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aerostack.core.access.removals import Revocation
from aerostack.core.answers.checkpoints import Claim, StoredAnswer
from aerostack.core.topics.emitted import EmitRules
from aerostack.core.topics.topics import projectOf
from aerostack.databases.answers import takeAnswers
from aerostack.databases.backend import Backend
from aerostack.databases.revocations import selectRevocations
from aerostack.databases.values import selectValues
from aerostack.hub.backbone import Backbone
from aerostack.server.emitting import emitRules
from aerostack.server.names import nameOf
from aerostack.settings.settings import Config
from aerostack.tracker.faults import NewerJournal

MAX_REPEATS = 50_000
"""How many publications the daemon remembers, to recognize them when a client publishes again."""


@dataclass(frozen=True)
class Prepared:
    """
    What a node has read from its database before it begins.

    @ivar newer: Why the node may follow no table; L{None} if it may.
    @ivar database: Distinguishes the database from every other; empty for a node without an engine.
    @ivar left: The token streams that an earlier run has left, see L{takeAnswers}.  A node with an
        engine takes them over later, and has none here.
    @ivar revoked: The revocations of tokens, see L{selectRevocations}; none if other processes
        serve the clients.
    """

    newer: NewerJournal | None = None
    database: str = ""
    left: tuple[list[StoredAnswer], int] = ([], 0)
    revoked: tuple[list[Revocation], int] = ([], 0)


def prepareNode(
    config: Config,
    backend: Backend,
    backbone: Backbone,
    run: str,
    now: Callable[[], int],
    seconds: Callable[[], float],
    isShared: bool,
    hasWorkers: bool,
) -> Prepared:
    """
    Bring the database up to date, and read what an earlier run has left.

    @param run: The id of this run.
    @param now: Gives the time of day, milliseconds since the epoch.
    @param seconds: Gives the time of the clock, seconds.
    @param isShared: Whether the node has an engine.
    @param hasWorkers: Whether other processes serve the clients.
    @raise Unready: The database cannot be used yet; this may be called again.
    @raise Unusable: The database cannot be used; the message says why.
    """
    newest = backend.prepare(
        now() - int(config.replay.repeatWindow * 1000),
        MAX_REPEATS,
        backbone.publisher.outcomes.restore,
        isShared,
    )
    newer = backend.look()
    database = backend.identify() if isShared else ""
    backbone.sequencer.floor = max(newest, now())
    if not isShared:
        # An engine has the values.
        restoreValues(backend, backbone, config, run, seconds(), now())
    if config.tracker.emit:
        prepareEmitted(backend, emitRules(config))
    revoked: tuple[list[Revocation], int] = [], 0
    if not hasWorkers:
        revoked = backend.ask(selectRevocations, tuple(config.projects), now())
    left: tuple[list[StoredAnswer], int] = [], 0
    if not isShared:
        # Last: what is taken once is not found again.  A node with an engine takes over what an
        # earlier run has left as soon as the node has its name.
        left = backend.ask(takeAnswers, Claim(nameOf(config), run))
    return Prepared(newer, database, left, revoked)


def prepareEmitted(backend: Backend, rules: EmitRules) -> None:
    """
    Let transactions emit events.

    @raise Unusable: The database cannot be asked.
    """
    events = backend.emitted()
    backend.ask(lambda cursor, _: events.prepare(cursor, rules))


def restoreValues(
    backend: Backend, backbone: Backbone, config: Config, run: str, seconds: float, now: int
) -> None:
    """
    Take up the values of keyed topics that an earlier run of the daemon has kept.

    @param run: The id of this run.
    @param seconds: The time of the clock, seconds.
    @param now: The time, ms since the epoch.
    @raise Unusable: The database cannot be asked.
    """
    backbone.states.restore(
        (
            each
            for each in backend.ask(selectValues)
            if projectOf(each.topic) in config.projects
            and backbone.sequencer.keyedPolicy(each.topic) is not None
        ),
        run,
        seconds,
        now,
    )
