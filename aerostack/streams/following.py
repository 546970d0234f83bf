"""
Watches token streams for requests over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from zope.interface import implementer

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.answers.answer import STREAMING, Answer
from aerostack.core.answers.cursor import Cursor, growthOf, placeOf
from aerostack.core.answers.growth import Grown, Growth
from aerostack.core.topics.topics import Topic, topicOf
from aerostack.errors import RealtimeError
from aerostack.hub.hub import Hub
from aerostack.interfaces.messaging import ISubscriber
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.framing import Frame, payloadOf
from aerostack.protocol.streams import DONE

_ABOUT_END = DONE.encode()


class _EndEvent(msgspec.Struct):
    event: str = ""
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


_END = ("state", "reason", "by", "usage")
"""The fields of a stream that say how it has ended."""

_events = msgspec.json.Decoder(_EndEvent)
_objects = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True)
class WatchedEnd:
    """
    How a watched stream has ended.

    @ivar reason: A word or a sentence that says more; L{None} without one.
    @ivar data: The data of the event with which it ended, as far as the process knows.
    """

    state: str
    reason: str | None
    data: Mapping[str, Any]


class Watch:
    """
    A stream that a client watches.

    @ivar stream: The stream's id.
    @ivar head: The data of the event with which it began, as far as it is known.
    @ivar isNew: Whether the watcher has nothing of it, as far as the process knows.
    """

    stream: str
    head: Mapping[str, Any]
    isNew = True

    @property
    def end(self) -> WatchedEnd | None:
        """How it has ended, once everything was taken; L{None} before."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """See L{Cursor.place}."""
        return ""

    @property
    def restarts(self) -> int:
        """See L{Cursor.restarts}: if it has changed, what is taken is from the beginning."""
        return 0

    def take(self, most: int) -> list[Growth]:
        """
        Take what the watcher lacks.

        @param most: After how many characters to take no more.
        @raise RealtimeError: C{stream_unknown}: the text is not here any more.
        """
        raise NotImplementedError

    def check(self) -> None:
        """
        Make sure that the watcher may go on to watch.

        @raise RealtimeError: It may not.
        """

    def leave(self) -> None:
        """
        Watch no longer.
        """


class Past(Watch):
    """
    A stream that has ended before.
    """

    def __init__(self, stream: str, found: Mapping[str, Any], place: str) -> None:
        self.stream = stream
        self.head = {"id": stream, "owner": found.get("owner"), "meta": found.get("meta") or {}}
        self._parts = found.get("parts") or []
        self._left, isPlace = growthOf(self._parts, place)
        self.isNew = not isPlace
        self._place = place if isPlace else ""
        data = {"id": stream, **{name: found[name] for name in _END if name in found}}
        self._end = WatchedEnd(str(found.get("state")), found.get("reason"), data)

    @property
    def end(self) -> WatchedEnd | None:
        return None if self._left else self._end

    @property
    def place(self) -> str:
        return self._place

    def take(self, most: int) -> list[Growth]:
        taken: list[Growth] = []
        for each in self._left:
            taken.append(each)
            if isinstance(each, Grown):
                self._place = each.place
                most -= len(each.text) + len(each.place)
            if most <= 0:
                break
        self._left = self._left[len(taken) :]
        if not self._left:
            self._place = placeOf(self._parts)
        return taken


@implementer(ISubscriber)
class Following(Watch):
    """
    A stream that runs, or is about to begin.
    """

    def __init__(
        self,
        hub: Hub,
        topic: Topic,
        changed: Callable[[], object],
        permit: Callable[[], object],
        place: str = "",
    ) -> None:
        """
        @param place: See L{Cursor}.
        @param changed: Is called when there may be more to take.
        @param permit: Makes sure that the watcher may subscribe to the topic.
        """
        self.stream = ""
        self.head = {}
        self._hub = hub
        self._topic = topic
        self._place = place
        self.isNew = not place
        self._changed = changed
        self._permit = permit
        self._answer: Answer | None = None
        self._cursor: Cursor | None = None
        self._data: Mapping[str, Any] | None = None
        self._isHere = True
        # Whether it has text from before this watcher came, and how far it is with that.
        self._isLate = self._isJoining = False

    @property
    def isHere(self) -> bool:
        """Whether the stream has begun, as far as this process knows."""
        return self._answer is not None

    def follow(self, stream: str) -> None:
        """
        Follow a stream, as soon as this process knows of it.
        """
        self.stream = stream
        self._look()

    def followLast(self) -> None:
        """
        Follow the stream of the topic that has begun last, if one runs.
        """
        running = self._hub.sequencer.answers.of(self._topic.canonical)
        if running:
            self.follow(running[-1].id)

    def _look(self) -> None:
        if self._answer is None and self.stream:
            answer = self._hub.sequencer.answers.get(self._topic.project, self.stream)
            if answer is not None and not answer.isReleased and not answer.isOver:
                self._answer = answer
                self._cursor = Cursor(answer, self._place)
                self.isNew = not self._cursor.place
                self._isLate = self.isNew and not self._cursor.isAtEnd
                self.head = _objects.decode(answer.head) if answer.head else {"id": answer.id}

    @property
    def end(self) -> WatchedEnd | None:
        answer, cursor = self._answer, self._cursor
        if answer is None or cursor is None or answer.isReleased:
            return None
        if not answer.isOver or not cursor.isAtEnd:
            return None
        data = self._data or {"id": answer.id, "state": answer.state}
        reason = data.get("reason", None if answer.end is None else answer.end.reason)
        return WatchedEnd(answer.state, reason, data)

    @property
    def place(self) -> str:
        return self._place if self._cursor is None else self._cursor.place

    @property
    def restarts(self) -> int:
        return 0 if self._cursor is None else self._cursor.restarts

    def take(self, most: int) -> list[Growth]:
        if self._answer is None or self._cursor is None:
            return []
        if self._answer.isReleased:
            raise RealtimeError("stream_unknown", "The stream is not here any more; ask again.")
        growths = self._cursor.take(most)
        if self._isLate:
            self._join(growths, self._cursor.isAtEnd)
        return growths

    def _join(self, growths: Sequence[Growth], isAtEnd: bool) -> None:
        """Count a watcher who came late, until it has what there was."""
        joins = self._hub.joins
        joins.count += not self._isJoining
        joins.take(growths)
        self._isJoining, self._isLate = True, not isAtEnd

    def check(self) -> None:
        self._permit()

    def leave(self) -> None:
        if self._isHere:
            self._isHere = False
            if self._hub.unsubscribe(self, self._topic):
                self._hub.attachments.release(self._topic.canonical)

    # ISubscriber

    def deliver(self, frame: Frame) -> None:
        self._look()
        for part in frame.parts:
            payload = payloadOf(part)
            if _ABOUT_END in payload:
                event = _events.decode(payload)
                if event.event == DONE and event.stream == self.stream:
                    data = msgspec.json.decode(event.data)
                    # A server that emits the end may say anything in it.
                    self._data = data if isinstance(data, dict) else {}
        self._changed()

    def reauthorize(self, topic: str | None = None) -> None:
        """Only the columns of a table can have changed, and a table's topic has no streams."""


class Watches:
    """
    Lets requests watch streams.
    """

    def __init__(
        self, hub: Hub, streams: IStreams, permit: Callable[[Identity, Action, Topic], object]
    ) -> None:
        self._hub = hub
        self._streams = streams
        self._permit = permit

    async def join(
        self, identity: Identity, topic: Topic, changed: Callable[[], object], place: str = ""
    ) -> Following:
        """
        Subscribe to a topic, to follow one of its streams.

        @return: It is to L{Following.leave} in any case.
        @raise RealtimeError: The client may not subscribe to the topic.
        """
        permit = partial(self._permit, identity, Action.SUBSCRIBE, topic)
        permit()
        attaching: Deferred[None] | None = self._hub.attachments.attach(topic.canonical)
        if attaching is not None:
            await attaching
        following = Following(self._hub, topic, changed, permit, place)
        self._hub.subscribe(following, topic, None)
        return following

    async def open(
        self, identity: Identity, stream: str, changed: Callable[[], object], place: str = ""
    ) -> Watch:
        """
        Watch a stream that runs, or has ended.

        @param place: See L{Cursor}.
        @param changed: Is called when there may be more to take.
        @raise RealtimeError: C{stream_unknown}, or the client may not subscribe to its topic.
        """
        project = identity.project
        try:
            facts = await self._streams.find(project, stream)
        except RealtimeError as error:
            if error.code != "stream_unknown":
                raise
            # The history may have it.
            found = await self._streams.get(project, stream)
            self._permit(identity, Action.SUBSCRIBE, topicOf(found.topic))
            return Past(stream, _objects.decode(found.data), place)
        following = await self.join(identity, topicOf(facts.topic), changed, place)
        following.follow(stream)
        if following.isHere:
            return following
        try:
            ended = _objects.decode((await self._streams.get(project, stream)).data)
        except BaseException:
            following.leave()
            raise
        if ended.get("state") == STREAMING:
            # It is about to come here.
            return following
        following.leave()
        return Past(stream, ended, place)


def messageIdOf(watch: Watch) -> str:
    """
    The id of the message that a stream becomes in a chat.
    """
    meta = watch.head.get("meta")
    found = meta.get("messageId") if isinstance(meta, dict) else None
    return found if isinstance(found, str) else watch.stream
