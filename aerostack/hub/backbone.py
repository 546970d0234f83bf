"""
The half of pub/sub that exists once on a machine: what puts publications in order, and decides who
is present.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from twisted.internet.interfaces import IReactorTime

from aerostack.core.keyed.states import KeyedStates
from aerostack.core.presence import Presence
from aerostack.core.replay.idempotency import IdempotencyCache
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.topics.policies import TopicPolicies
from aerostack.hub.idempotency import Outcome
from aerostack.hub.keyed import Gate, KeyedGate
from aerostack.hub.publishing import Publisher
from aerostack.hub.roster import PresenceAuthority
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.messaging import IEngine, IHistory
from aerostack.interfaces.publishing import IReceiver


class Backbone:
    """
    Takes what clients publish, and has it brought to a receiver, in order.

    @ivar sequencer: Has the topics' logs.
    @ivar states: The values of keyed topics.
    @ivar publisher: Takes what clients publish.
    @ivar roster: Decides who is present on which topics.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        engine: IEngine,
        history: IHistory,
        presence: Presence,
        newId: Callable[[], str],
        policies: TopicPolicies,
        logs: TopicLogs,
        idempotency: IdempotencyCache[Outcome],
        stateMemory: int = 67_108_864,
        gate: Gate | None = None,
    ) -> None:
        """
        @param clock: Measures intervals; it is never set.
        @param now: The time of day, milliseconds since the epoch; an operator may set it at any
            moment.
        @param newId: Makes the id of a message; each call gives another.
        @param policies: The policy of each topic.
        @param idempotency: Remembers what clients published under an id of their own.
        @param stateMemory: How many bytes the values of keyed topics have in one project.
        @param gate: Decides about publications on keyed topics, if the engine has their values;
            L{None} if they are here.
        """
        self.sequencer = Sequencer(clock, now, logs, policies)
        self.states = KeyedStates()
        if gate is None:
            self.sequencer.keyed = self.states
            gate = KeyedGate(self.states, self.sequencer.keyedPolicy, stateMemory, newId)
        self.publisher = Publisher(
            clock, now, engine, history, newId, idempotency, self.sequencer, gate
        )
        self.roster = PresenceAuthority(presence, clock.seconds, now, self.publisher)
        self._engine = engine

    def start(self, receiver: IReceiver, followed: Container[str] = ()) -> None:
        """
        Begin.

        @param receiver: Gets every publication of the engine.
        @param followed: The topics whose logs follow those which nodes share.
        """
        publisher = self.publisher
        self.sequencer.logs.needed = lambda topic: (
            receiver.needs(topic) or topic in publisher or topic in followed
        )
        publisher.start(receiver)
        self._engine.start(receiver.deliver)
