"""
Channels: what an application holds of a topic, on an event loop.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, Protocol

from aerostack.client import channel
from aerostack.client.aio.clock import settle
from aerostack.client.aio.handlers import Callback, Handler
from aerostack.client.aio.inbox import Inbox
from aerostack.client.aio.state import Answers, Owner, Presence, Rows, SharedState
from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame
from aerostack.client.rows import Key


class ChannelOwner(Owner, Protocol):
    """
    What channels need of the client.
    """

    @property
    def inboxes(self) -> list[tuple[channel.Channel, Inbox]]:
        """Where frames wait for the application's loops."""


class Channel:
    """
    A topic, as an application uses it.  L{RealtimeClient.channel} makes it.

    The methods are those of L{aerostack.client.channel.Channel}.
    """

    def __init__(self, owner: ChannelOwner, inner: channel.Channel) -> None:
        self._owner = owner
        self._inner = inner
        self._wrap: Callable[[Callback], Handler] = partial(Handler, tasks=owner.tasks)

    @property
    def topic(self) -> str:
        """The topic, as the application writes it."""
        return self._inner.topic

    @property
    def view(self) -> str:
        """The name of the subscription beside others to the same table; empty if it has none."""
        return self._inner.view

    @property
    def presence(self) -> Presence:
        """Who is present."""
        return Presence(self._inner.presence, self._owner)

    @property
    def answers(self) -> Answers:
        """The streams, such as the answers of a language model."""
        return Answers(self._inner.answers, self._owner)

    @property
    def sharedState(self) -> SharedState:
        """The values of the topic, if it is keyed."""
        return SharedState(self._inner.sharedState, self._owner)

    @property
    def rows(self) -> Rows:
        """The rows of a table that is subscribed with C{snapshot}."""
        return Rows(self._inner.rows, self._owner)

    # Handlers

    def on(self, event: str, callback: Callback) -> Channel:
        """
        Call a function, or a coroutine function, with every frame of an event.

        A coroutine runs in a task of its own, beside those of other frames.  To take one frame
        after the other, use C{async for}.

        @param event: See L{aerostack.client.channel.Channel.on}.
        @param callback: Gets the frame, a dictionary.
        """
        self._inner.on(event, self._wrap(callback))
        return self

    def off(self, event: str, callback: Callback | None = None) -> Channel:
        """
        Take a callback back.

        @param callback: L{None} for all callbacks of the event.
        """
        self._inner.off(event, None if callback is None else self._wrap(callback))
        return self

    def onGap(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function when the daemon no longer has what the client missed, before anything newer.

        @param callback: Gets a dictionary with the C{topic} and the C{reason}.
        @return: Takes the callback back.
        """
        return self._inner.onGap(self._wrap(callback))

    def onFeedChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function when the daemon cannot follow the database for a while, and when it can
        again.

        @param callback: Gets C{down} or C{up}, and the daemon's message.
        @return: Takes the callback back.
        """
        return self._inner.onFeedChange(self._wrap(callback))

    def onError(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with those errors of this channel that no call raises.

        @param callback: Gets a L{ClientError}.
        @return: Takes the callback back.
        """
        return self._inner.onError(self._wrap(callback))

    def onSubscribed(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function whenever the subscription begins, also again on another connection.

        @param callback: Gets the C{subscribed} frame.
        @return: Takes the callback back.
        """
        return self._inner.onSubscribed(self._wrap(callback))

    # Subscribing

    @property
    def isSubscribed(self) -> bool:
        """Whether the channel is subscribed, or will be."""
        return self._inner.isSubscribed

    @property
    def position(self) -> str | None:
        """The position to resume from: the last one that came."""
        return self._inner.position

    async def subscribe(
        self,
        *,
        filter: Any = None,
        since: str | None = None,
        snapshot: bool | None = None,
        order: list[Any] | None = None,
        limit: int | None = None,
        columns: list[str] | None = None,
        event: str | list[str] | None = None,
        rewind: int | None = None,
        key: Key = "id",
        timeout: float | None = None,
    ) -> Frame:
        """
        Subscribe, and wait for the answer.  See L{aerostack.client.channel.Channel.subscribe}.

        @return: The C{subscribed} frame.
        @raise ClientError: The daemon refused, or did not answer in time.
        """
        self._owner.check()
        return await settle(
            self._inner.subscribe(
                filter=filter,
                since=since,
                snapshot=snapshot,
                order=order,
                limit=limit,
                columns=columns,
                event=event,
                rewind=rewind,
                key=key,
                timeout=timeout,
            )
        )

    async def unsubscribe(self) -> None:
        """
        Unsubscribe, and take all callbacks of L{on} back.  Loops over the frames end.
        """
        self._owner.check()
        for topic, inbox in self._owner.inboxes:
            if topic is self._inner:
                inbox.end()
        await settle(self._inner.unsubscribe())

    async def frames(self, **options: Any) -> AsyncGenerator[Frame, None]:
        """
        Give the frames, one after the other, for C{async for}.

        The channel subscribes, if it is not subscribed or there are options.  The loop gets every
        frame that comes after it has begun, also over later connections.  It ends when the channel
        is unsubscribed or the client is closed.

        @param options: As for L{subscribe}.
        @raise ClientError: The daemon refused the subscription or ended it; the client has given
            up; or C{queue_full}: the frames come faster than the loop takes them.
        """
        self._owner.check()
        inbox = Inbox()
        entry = (self._inner, inbox)

        def ended(error: ClientError) -> None:
            if not self._inner.isSubscribed:
                inbox.end(error)

        with ExitStack() as last:
            for event in ("*", "snapshot"):
                self._inner.on(event, inbox.put)
                last.callback(self._inner.off, event, inbox.put)
            last.callback(self._inner.onError(ended))
            self._owner.inboxes.append(entry)
            last.callback(self._owner.inboxes.remove, entry)
            if options or not self.isSubscribed:
                await self.subscribe(**options)
            while (frame := await inbox.next()) is not None:
                yield frame

    def __aiter__(self) -> AsyncGenerator[Frame, None]:
        return self.frames()

    # Publishing

    async def publish(
        self,
        event: str,
        data: Any = None,
        persist: bool = False,
        replaces: int | None = None,
        *,
        key: str | None = None,
        ifPos: str | None = None,
        ifNew: bool = False,
    ) -> None:
        """
        Publish an event, and wait until the daemon has accepted it; with C{persist}, until it is
        stored.  See L{aerostack.client.channel.Channel.publish}.

        @raise ClientError: The daemon refused it.
        """
        self._owner.check()
        await settle(
            self._inner.publish(event, data, persist, replaces, key=key, ifPos=ifPos, ifNew=ifNew)
        )

    async def getHistory(self, limit: int = 50, before: int | None = None) -> list[Frame]:
        """
        Read a page of the topic's history.

        @param before: The C{created_at} (ms) of the oldest message of the page before.
        @return: The messages, newest first.
        @raise ClientError: The daemon refused, or did not answer.
        """
        self._owner.check()
        return await settle(self._inner.getHistory(limit, before))

    # Presence

    def track(self, state: dict[str, Any]) -> None:
        """
        Be present with a state, or change the state.
        """
        self._inner.track(state)

    def untrack(self) -> None:
        """
        Be present no more.
        """
        self._inner.untrack()
