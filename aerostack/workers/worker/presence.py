"""
Who is present, at a worker: the members of attached topics, as the hub has them, and the questions
of the worker's connections.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import Decoder
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.presence import Member, Tracked
from aerostack.core.replay.publications import PRESENCE, Publication
from aerostack.core.roster import Roster
from aerostack.core.stays import Stay, Stays
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.publishing import IReceiver
from aerostack.interfaces.roster import IRoster
from aerostack.workers.messages import presence as messages
from aerostack.workers.messages.logs import Published
from aerostack.workers.messages.presence import Leave, Lose, Members, Remove, Track, Untrack
from aerostack.workers.worker.asking import BoundedQuestions
from aerostack.workers.worker.links import HubLink

COST = 200
"""About how many bytes a question has beside the state."""


class _MemberData(Struct):
    """
    A member as clients get it; see L{aerostack.hub.encoding.memberData}.
    """

    userId: str | None
    connectionId: str
    state: Raw
    since: int


class RosterReplica:
    """
    The members of attached topics.  It is an L{aerostack.interfaces.roster.IMembers}.

    L{attaching}, L{attached}, L{heard} and L{detached} are called in the order in which the hub has
    sent what they are about.  Then the members are at each moment those that the hub had when it
    sent the newest of it.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(self) -> None:
        self._decoder = Decoder(_MemberData)
        self._attached: dict[str, Roster[Member]] = {}
        # The topics that have a member.
        self._present: dict[str, None] = {}
        # By topic that is being attached, the members that have come.
        self._coming: dict[str, Roster[Member]] = {}
        # By topic and member, the calls that wait for the member.
        self._awaited: dict[str, dict[str, list[Deferred[None]]]] = {}
        self.handlers: Mapping[type[Struct], Callable[[Any], None]] = {Members: self._gather}

    # IMembers

    def roster(self, topic: str) -> Roster[Member] | None:
        return self._attached.get(topic) or None

    def members(self, topic: str) -> Iterable[Member]:
        return self._attached.get(topic, ())

    def topics(self) -> Collection[str]:
        return self._present.keys()

    def count(self, topic: str) -> int:
        return len(self._attached.get(topic, ()))

    # From the hub

    def _gather(self, message: Members) -> None:
        coming = self._coming.get(message.topic)
        if coming is None:
            # The answer is not awaited any more.
            return
        if message.isFirst:
            coming = self._coming[message.topic] = Roster()
        for form in message.members:
            coming.put(form.connectionId, form.member(), len(form.state))

    def attaching(self, topic: str) -> None:
        """
        Note that a topic is being attached, so that its members come.
        """
        self._coming.setdefault(topic, Roster())

    def attached(self, topic: str) -> None:
        """
        Note that a topic is attached.  All of its members have come.

        @param topic: The canonical topic.
        """
        roster = self._attached[topic] = self._coming.pop(topic)
        self._note(topic, roster)
        for key in tuple(self._awaited.get(topic, ())):
            if roster.get(key) is not None:
                self._release(topic, key)

    def __contains__(self, topic: object) -> bool:
        """Whether a topic is attached."""
        return topic in self._attached

    def detached(self, topic: str) -> None:
        """
        Note that a topic is attached no longer, or that it could not be attached.
        """
        self._coming.pop(topic, None)
        self._attached.pop(topic, None)
        self._present.pop(topic, None)
        for key in tuple(self._awaited.get(topic, ())):
            self._release(topic, key)

    def heard(self, publication: Publication) -> None:
        """
        Take over what a publication says of a topic's members, before subscribers get it.

        @param publication: Its kind is L{PRESENCE}.
        """
        topic = publication.topic
        roster = self._attached.get(topic)
        if roster is None:
            return
        found = self._decoder.decode(publication.data)
        key = found.connectionId
        if publication.event == "presence:leave":
            if roster.get(key) is not None:
                roster.remove(key)
        else:
            state = bytes(found.state)
            roster.put(key, Member(key, found.userId, state, found.since), len(state))
        self._note(topic, roster)
        self._release(topic, key)

    def _note(self, topic: str, roster: Roster[Member]) -> None:
        if roster:
            self._present[topic] = None
        else:
            self._present.pop(topic, None)

    def whenHere(self, topic: str, key: str) -> Deferred[None] | None:
        """
        Wait for a member.

        @param topic: The canonical topic.
        @param key: The member's C{connectionId}.
        @return: L{None} if it is here, or if the topic is not attached; else a L{Deferred} that
            fires when it is, or when it does not come any more.
        """
        roster = self._attached.get(topic)
        if roster is None or roster.get(key) is not None:
            return None
        waited: Deferred[None] = Deferred()
        self._awaited.setdefault(topic, {}).setdefault(key, []).append(waited)
        return waited

    def _release(self, topic: str, key: str) -> None:
        keys = self._awaited.get(topic)
        if keys is None or key not in keys:
            return
        waiting = keys.pop(key)
        if not keys:
            del self._awaited[topic]
        for waited in waiting:
            waited.callback(None)


@implementer(ILogSource)
class PresentLogs:
    """
    Attaches topics together with their members.
    """

    def __init__(self, source: ILogSource, replica: RosterReplica) -> None:
        """
        @param source: Attaches topics, and has the hub send their members.
        @param replica: Gets the members.
        """
        self._source = source
        self._replica = replica
        self._number = 0
        # By topic that is not attached yet, the number of the call that attaches it.
        self._asked: dict[str, int] = {}
        self.fill = source.fill

    def attach(self, topic: str) -> Deferred[None]:
        self._number = number = self._number + 1
        self._asked[topic] = number
        self._replica.attaching(topic)
        asked = maybeDeferred(self._source.attach, topic)
        return asked.addBoth(partial(self._answered, topic, number))

    def _answered(self, topic: str, number: int, result: Failure | None) -> Failure | None:
        if self._asked.get(topic) == number:
            del self._asked[topic]
            if result is None:
                self._replica.attached(topic)
            else:
                self._replica.detached(topic)
        return result

    def detach(self, topic: str) -> None:
        self._asked.pop(topic, None)
        self._replica.detached(topic)
        self._source.detach(topic)


@implementer(IReceiver)
class PresentReceiver:
    """
    Lets a replica hear every publication before the subscribers get it.
    """

    def __init__(self, replica: RosterReplica, receiver: IReceiver) -> None:
        """
        @param receiver: Gets the publications.
        """
        self._replica = replica
        self._deliver = receiver.deliver
        self.needs = receiver.needs
        self.backlog = receiver.backlog
        self.whenSent = receiver.whenSent
        self.sampleSent = receiver.sampleSent

    def deliver(self, publication: Publication) -> None:
        if publication.kind == PRESENCE:
            self._replica.heard(publication)
        self._deliver(publication)


class PresenceFeed:
    """
    Takes the changes of members, where everything else of a topic comes as entries of a log that
    nodes share.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(self, replica: RosterReplica) -> None:
        """
        @param replica: Has the members of attached topics.
        """
        self._replica = replica
        self._receiver: IReceiver
        self.handlers: Mapping[type, Callable[[Any], None]] = {Published: self._published}

    def start(self, receiver: IReceiver) -> None:
        """
        Begin.

        @param receiver: Gets the changes of attached topics.
        """
        self._receiver = receiver

    def _published(self, message: Published) -> None:
        # The hub may not know yet that the topic was detached.
        if message.topic in self._replica:
            self._receiver.deliver(message.publication)


@implementer(IRoster)
class RemoteRoster:
    """
    Asks the hub who may be present.
    """

    def __init__(self, channel: HubLink, replica: RosterReplica) -> None:
        """
        @param replica: Gets the members.
        """
        self._channel = channel
        self._questions = BoundedQuestions(channel)
        self._replica = replica
        self._stays = Stays()

    def track(
        self,
        topic: str,
        connectionId: str,
        userId: str | None,
        state: bytes,
        client: str | None = None,
        most: int | None = None,
    ) -> Deferred[Tracked]:
        stay = self._stays.ask(topic, connectionId)
        question = Track(topic, connectionId, userId, state, client, most)
        asked = self._questions.ask(question, COST + len(state))
        asked.addCallback(partial(self._granted, topic))
        return asked.addBoth(partial(self._answered, topic, connectionId, stay))

    def _granted(self, topic: str, answer: messages.Tracked) -> Any:
        tracked = Tracked(answer.member.member(), answer.joined, answer.updated, answer.fresh)
        here = self._replica.whenHere(topic, tracked.member.connectionId)
        return tracked if here is None else here.addCallback(lambda _: tracked)

    def _answered(
        self, topic: str, connectionId: str, stay: Stay, result: Tracked | Failure
    ) -> Tracked | Failure:
        self._stays.answered(topic, connectionId, stay, not isinstance(result, Failure))
        return result

    def untrack(self, topic: str, connectionId: str) -> None:
        if topic in self._stays.topicsOf(connectionId):
            self._stays.end(topic, connectionId)
            self._channel.send(Untrack(topic, connectionId))

    def leave(self, connectionId: str) -> None:
        self._end(connectionId, Leave(connectionId))

    def lose(self, connectionId: str) -> None:
        self._end(connectionId, Lose(connectionId))

    def _end(self, connectionId: str, message: Struct) -> None:
        if self._stays.topicsOf(connectionId):
            self._stays.endAll(connectionId)
            self._channel.send(message)

    def remove(self, project: str, userId: str) -> None:
        self._channel.send(Remove(project, userId))

    def topicsOf(self, connectionId: str) -> tuple[str, ...]:
        return self._stays.topicsOf(connectionId)
