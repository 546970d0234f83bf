"""
The commands of a client: what each of its frames does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.auth.keysets import KeysAwaited
from aerostack.core.access.permissions import Action
from aerostack.core.diagnosis.histogram import Histogram
from aerostack.core.keyed.values import readCondition, staleUnread
from aerostack.core.replay.publications import Receipt, readReplaces
from aerostack.core.topics.topics import Topic, checkEvent, parseTopic
from aerostack.errors import RealtimeError
from aerostack.hub.idempotency import makeRepeatKey
from aerostack.protocol.clientframes import (
    Auth,
    Chat,
    ClientFrame,
    Ping,
    Publish,
    StreamAppend,
    StreamBeat,
    StreamCancel,
    StreamEnd,
    StreamPut,
    StreamStart,
    Subscribe,
    Track,
    Unsubscribe,
    Untrack,
    requestOf,
)
from aerostack.protocol.codec import ECHOED, MAX_ID, encodeValue, sizeOf
from aerostack.protocol.frames import MessageId
from aerostack.protocol.serverframes import Ack, Pong
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import CommandedSession
from aerostack.sessions.producing import Producing
from aerostack.sessions.refusals import refusal
from aerostack.sessions.subscriptions import Subscriptions
from aerostack.sessions.tracking import Tracking, Waiting
from aerostack.sessions.views import Views


class Commands:
    """
    Carries out the frames of one session.

    @ivar subscriptions: The subscriptions of the session.
    @ivar unanswered: How many publications the daemon has not answered yet.
    """

    __slots__ = (
        "_auths",
        "_context",
        "_hub",
        "_limits",
        "_producing",
        "_session",
        "_tracking",
        "_views",
        "subscriptions",
        "unanswered",
    )

    def __init__(self, session: CommandedSession, context: SessionContext) -> None:
        self._session = session
        self._context = context
        self._hub = context.hub
        self._limits = context.limits
        waiting: dict[str, Waiting] = {}
        self.subscriptions = Subscriptions(session, context, waiting)
        self._tracking = Tracking(session, context, waiting, self.subscriptions.checkCapacity)
        self._producing = Producing(session, context)
        # Most clients never have any.
        self._views: Views | None = None
        self.unanswered = 0
        self._auths = 0

    def carryOut(self, frame: ClientFrame) -> None:
        """
        Do what a frame asks for.

        @raise RealtimeError: The daemon cannot do it, or the client has no right to it.
        """
        _HANDLERS[type(frame)](self, frame)

    def end(self, clean: bool) -> None:
        """
        Take back everything that the session holds, because it is over.  When many sessions end at
        once, this goes on over several turns of the reactor.

        @param clean: Whether the presence of the client ends now; if not, it waits for the client
            to come back.
        """
        # A token that waits for its key comes too late.
        self._auths = -1
        for subscriptions in self._all():
            subscriptions.forget()
        self._tracking.end()
        self._producing.leave()
        self._context.reauthorizing.ask(self._session, self._guard(self._takeBack(clean)))

    def _takeBack(self, clean: bool) -> Iterator[None]:
        if clean:
            yield from self._tracking.endAll()
        else:
            yield from self._tracking.loseAll()
        for subscriptions in self._all():
            yield from subscriptions.end()
            yield

    def _all(self) -> Iterator[Subscriptions]:
        """The subscriptions without a name, and those of each view."""
        yield self.subscriptions
        if self._views is not None:
            yield from self._views.subscriptions()

    def subscriptionsOf(self, topic: str) -> Sequence[Subscriptions]:
        """
        Give what has a subscription to a topic, or a request for one.

        @param topic: The canonical topic.
        """
        return [each for each in self._all() if each.holds(topic)]

    def withdraw(self) -> None:
        """
        End the client's presence on all topics, because the client was sent away.  This goes on
        over several turns of the reactor if the client is present on many.
        """
        self._context.reauthorizing.ask(self._session, self._guard(self._tracking.endAll()))

    def _guard(self, work: Iterator[None]) -> Iterator[None]:
        try:
            yield from work
        except Exception:
            # The daemon still has other sessions to serve.
            self._session.fail(Failure())

    def leavePresence(self) -> None:
        """
        End the client's presence on all topics.
        """
        self._tracking.leave()

    def losePresence(self) -> None:
        """
        Let the client's presence on all topics wait for the client to come back.
        """
        self._tracking.lose()

    def reauthorize(self, topic: str | None = None) -> None:
        """
        End the subscriptions and the presence that the client has no right to any more, and change
        the subscriptions whose rights have changed.

        @param topic: See L{aerostack.interfaces.messaging.ISubscriber.reauthorize}.
        """
        if topic is not None:
            self.subscriptions.reauthorize(topic)
        else:
            self._context.reauthorizing.ask(self._session, self._guard(self._reauthorizeAll()))

    def _reauthorizeAll(self) -> Iterator[None]:
        for subscriptions in tuple(self._all()):
            yield from subscriptions.reauthorizeAll()
        yield from self._tracking.reauthorize()
        yield from self._producing.reauthorize()

    def _subscribe(self, frame: Subscribe) -> None:
        topic = self._topic(frame.topic)
        if frame.view is None:
            self.subscriptions.subscribe(topic, frame)
        else:
            self._openViews().subscribe(topic, frame, self.subscriptions.checkCapacity)

    def _unsubscribe(self, frame: Unsubscribe) -> None:
        topic = self._topic(frame.topic)
        if frame.view is None:
            self.subscriptions.unsubscribe(topic)
        else:
            self._openViews().unsubscribe(topic, frame)

    def _openViews(self) -> Views:
        if self._views is None:
            self._session.views = self._views = Views(self._session, self._context)
        return self._views

    def _publish(self, frame: Publish) -> None:
        topic = self._topic(frame.topic)
        checkEvent(frame.event, self._limits.eventLength)
        condition = readCondition(frame.ifPos, frame.ifNew)
        self._permit(Action.PUBLISH, topic)
        began = self._context.clock.seconds()
        published: Deferred[Receipt | None] | None = self._hub.publisher.publish(
            topic,
            frame.event,
            bytes(frame.data),
            self._session.identity.userId,
            bool(frame.persist),
            *self._repeatable(frame.id),
            self._session.connectionId,
            readReplaces(frame.replaces),
            frame.key,
            condition,
        )
        counts = self._context.counts
        durations = counts.kept if frame.persist else counts.passing
        self._acknowledge(published, frame, topic, began, durations)

    def _repeatable(self, messageId: MessageId | None) -> tuple[Hashable, str | None]:
        """Give the key by which the hub recognizes a repeated publication, and the id to keep."""
        if messageId is None:
            return None, None
        if sizeOf(messageId) > MAX_ID:
            raise RealtimeError("invalid_frame", f"An id has at most {MAX_ID} characters.")
        publishId = encodeValue(messageId).decode()
        session = self._session
        userId = session.identity.userId
        if userId is not None:
            return makeRepeatKey(userId, publishId), publishId
        # Other clients without a user id may use the same ids.
        if session.client is None:
            return ("connection", session.connectionId, publishId), None
        publishId = f"{session.client} {publishId}"
        return makeRepeatKey(None, publishId), publishId

    def _chat(self, frame: Chat) -> None:
        topic = self._topic(f"chat/{frame.roomId}")
        self._permit(Action.PUBLISH, topic)
        began = self._context.clock.seconds()
        said: Deferred[Receipt | None] | None = self._hub.publisher.chat(
            topic,
            frame.text,
            frame.metadata,
            self._session.identity.userId,
            *self._repeatable(frame.id),
            self._session.connectionId,
        )
        self._acknowledge(said, frame, topic, began, self._context.counts.kept)

    def _acknowledge(
        self,
        published: Deferred[Receipt | None] | None,
        frame: Publish | Chat,
        topic: Topic,
        began: float,
        durations: Histogram,
    ) -> None:
        """
        Answer a publication.

        @param published: See L{aerostack.interfaces.publishing.IPublisher.publish}.
        @param began: When the publication came.
        @param durations: Takes how long it took until the ack.
        """
        if published is None:
            if frame.id is not None:
                self._session.send(Ack(id=frame.id))
                durations.observe(self._context.clock.seconds() - began)
            return
        self.unanswered += 1
        # The callback keeps only parts of the frame, which may be large.
        published.addBoth(self._answer, frame.id, requestOf(frame), topic, began, durations)

    def _answer(
        self,
        result: Receipt | Failure | None,
        messageId: MessageId | None,
        request: str,
        topic: Topic,
        began: float,
        durations: Histogram,
    ) -> None:
        """Answer a publication whose outcome is known; see L{_acknowledge}."""
        try:
            if isinstance(result, Failure):
                error = refusal(result)
                if error.code == "stale" and not self._mayRead(topic):
                    error = staleUnread()
                self._session.sendError(error, messageId, topic.canonical, request)
            elif messageId is not None:
                self._session.send(Ack(id=messageId))
                durations.observe(self._context.clock.seconds() - began)
        except Exception:
            # The session must still count the publication as answered.
            self._session.fail(Failure())
        self.unanswered -= 1
        if not self.unanswered:
            self._session.depart()

    def _track(self, frame: Track) -> None:
        self._tracking.track(self._topic(frame.topic), frame)

    def _untrack(self, frame: Untrack) -> None:
        self._tracking.untrack(self._topic(frame.topic))

    def _auth(self, frame: Auth) -> None:
        self._auths += 1
        self._takeToken(frame, self._auths)

    def _takeToken(self, frame: Auth, number: int, isLast: bool = False) -> None:
        """
        Put the connection under a token.

        @param number: Which of the client's tokens it is.  A newer one may have come.
        @param isLast: Whether the token has waited for its key already.
        """
        if number != self._auths:
            return
        now = self._context.wall()
        try:
            identity = self._context.authenticator.refresh(self._session.identity, frame.token, now)
        except KeysAwaited as error:
            if isLast:
                self._session.sendError(error, None, None, requestOf(frame))
                return
            error.fetched.addCallback(
                lambda _: self._takeToken(frame, number, isLast=True)
            ).addErrback(self._session.fail)
            return
        except RealtimeError as error:
            if error.code == "keys_unavailable":
                # The token before may hold for longer.
                self._session.sendError(error, None, None, requestOf(frame))
                return
            self._session.endToken(error, requestOf(frame))
            return
        if identity.userId != self._session.identity.userId:
            # Another user is another presence.
            self.leavePresence()
        self._session.setIdentity(identity)
        self.reauthorize()

    def _streamStart(self, frame: StreamStart) -> None:
        self._producing.start(self._topic(frame.topic), frame)

    def _streamCancel(self, frame: StreamCancel) -> None:
        self._producing.cancel(frame, self.nameTopic(frame.topic))

    def _ping(self, frame: Ping) -> None:
        self._session.send(Pong())

    def _permit(self, action: Action, topic: Topic) -> None:
        """Make sure that the client has a right on a topic."""
        self._context.feeds.permit(self._session.identity, action, topic)

    def _mayRead(self, topic: Topic) -> bool:
        """Whether the client may subscribe to a topic now."""
        try:
            self._permit(Action.SUBSCRIBE, topic)
        except RealtimeError:
            return False
        return True

    def _topic(self, text: str) -> Topic:
        return parseTopic(
            text,
            self._session.identity.project,
            self._context.authenticator.projects,
            self._limits.topicLength,
        )

    def nameTopic(self, text: str | None) -> str | None:
        """
        Give the name of a topic for an error.

        @return: The canonical name.  If C{text} is no topic, its first L{ECHOED} characters, so
            that the client recognizes it.
        """
        if text is None:
            return None
        try:
            return self._topic(text).canonical
        except RealtimeError:
            return text[:ECHOED]


_HANDLERS: dict[type[ClientFrame], Callable[[Commands, Any], None]] = {
    Subscribe: Commands._subscribe,
    Unsubscribe: Commands._unsubscribe,
    Publish: Commands._publish,
    Chat: Commands._chat,
    Track: Commands._track,
    Untrack: Commands._untrack,
    Auth: Commands._auth,
    StreamStart: Commands._streamStart,
    StreamAppend: lambda commands, frame: commands._producing.append(frame),
    StreamPut: lambda commands, frame: commands._producing.put(frame),
    StreamEnd: lambda commands, frame: commands._producing.end(frame),
    StreamBeat: lambda commands, frame: commands._producing.beat(frame),
    StreamCancel: Commands._streamCancel,
    Ping: Commands._ping,
}
