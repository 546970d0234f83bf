"""
The chats of the AI SDK's C{useChat}: each is a topic, and each answer a token stream of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aerostack.core.access.permissions import Action, Identity
from aerostack.core.answers.requests import Ended
from aerostack.core.topics.topics import Topic
from aerostack.interfaces.models import IModels
from aerostack.interfaces.streams import IStreams
from aerostack.protocol.chatrequests import makeChatRequest
from aerostack.protocol.uimessages import UIRequest, makeMessages
from aerostack.sessions.producing import mayCancel
from aerostack.streams.following import Following, Watches, messageIdOf
from aerostack.streams.relaying import Relays, termsOf

_TOPIC = "ai-chat/"
"""The beginning of the topic of a chat."""


@dataclass(frozen=True)
class Chats:
    """
    Lets clients ask, resume and stop answers.

    @ivar parse: Reads the name of a topic in the project of an identity.
    @ivar permit: See L{aerostack.tables.feed.TableFeed.permit}.
    @ivar newId: Makes an id; each call gives another.
    """

    streams: IStreams
    watches: Watches
    relays: Relays
    models: IModels
    parse: Callable[[str, Identity], Topic]
    permit: Callable[[Identity, Action, Topic], object]
    newId: Callable[[], str]

    async def ask(
        self,
        identity: Identity,
        asked: UIRequest,
        params: Mapping[str, bytes],
        changed: Callable[[], object],
    ) -> Following:
        """
        Begin an answer; or follow the one that runs, if the same was asked before.

        @param params: Parameters for the model, as JSON.
        @param changed: Is called when there may be more to take.
        @raise RealtimeError: C{stream_busy}: another answer of the chat goes on.  Others say that
            the client may not ask, or that the request is malformed.
        """
        topic = self._topic(asked.id, identity)
        self.permit(identity, Action.PUBLISH, topic)
        model = self.models.find(identity.project, asked.model)
        wanted = makeChatRequest(makeMessages(asked.messages), params)
        following = await self.watches.join(identity, topic, changed)
        try:
            following.followLast()
            key = _keyOf(asked)
            if not (following.isHere and _metaOf(following).get("request") == key):
                following = await self._again(following, identity, topic, changed)
                last = asked.messages[-1]
                messageId = last.id if last.role == "assistant" else f"msg-{self.newId()}"
                terms = termsOf(identity, {"messageId": messageId, "request": key})
                started = await self.relays.start(topic, terms, model, wanted, alone=True)
                following.follow(started.stream)
        except BaseException:
            following.leave()
            raise
        return following

    async def _again(
        self,
        following: Following,
        identity: Identity,
        topic: Topic,
        changed: Callable[[], object],
    ) -> Following:
        """Follow no stream yet: another client's stream may run on the topic."""
        if not following.isHere:
            return following
        following.leave()
        return await self.watches.join(identity, topic, changed)

    async def resume(
        self, identity: Identity, chat: str, changed: Callable[[], object]
    ) -> Following | None:
        """
        Follow the answer that goes on in a chat.

        @param changed: Is called when there may be more to take.
        @return: L{None} if no answer goes on.
        @raise RealtimeError: The client may not subscribe to the chat.
        """
        following = await self.watches.join(identity, self._topic(chat, identity), changed)
        following.followLast()
        if following.isHere:
            return following
        following.leave()
        return None

    async def stop(
        self, identity: Identity, chat: str, stream: str | None, messageId: str | None
    ) -> Ended | None:
        """
        Stop the answer that goes on in a chat.

        @param stream: The stream that is meant; L{None} for any.
        @param messageId: The message that is meant; L{None} for any.
        @return: L{None} if no answer goes on, or only another one.
        @raise RealtimeError: C{forbidden}: the client may not stop it.
        """
        following = await self.resume(identity, chat, lambda: None)
        if following is None:
            return None
        try:
            isMeant = stream in (None, following.stream)
            if not isMeant or messageId not in (None, messageIdOf(following)):
                return None
            project = identity.project
            facts = await self.streams.find(project, following.stream)
            mayCancel(identity, facts, following.stream)
            ended: Ended = await self.streams.cancel(project, following.stream, identity.userId)
            return ended
        finally:
            following.leave()

    def _topic(self, chat: str, identity: Identity) -> Topic:
        return self.parse(f"{_TOPIC}{chat}", identity)


def _keyOf(asked: UIRequest) -> str:
    """What a request is known by, if it comes again."""
    return f"{asked.trigger}:{asked.messages[-1].id}:{len(asked.messages)}"


def _metaOf(following: Following) -> Mapping[str, Any]:
    meta = following.head.get("meta")
    return meta if isinstance(meta, dict) else {}
