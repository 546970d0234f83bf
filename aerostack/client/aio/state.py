"""
What the daemon says of a topic: its members, values, rows and token streams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from aerostack.client import answers as streamed
from aerostack.client import presence, rows, sharedstate
from aerostack.client.aio.clock import settle
from aerostack.client.aio.handlers import Callback, Handler, Tasks
from aerostack.client.presence import Member


class Owner(Protocol):
    """
    What the parts of a channel need of the client.
    """

    @property
    def tasks(self) -> Tasks:
        """Runs handlers."""

    def check(self) -> None:
        """
        Make sure that the client is connected, or tries to, on this event loop.

        @raise RuntimeError: It is not.
        """


class Presence:
    """
    Who is present on a topic; see L{aerostack.client.presence.Presence}.
    """

    def __init__(self, inner: presence.Presence, owner: Owner) -> None:
        self._inner = inner
        self._owner = owner

    @property
    def members(self) -> list[Member]:
        """The members, in the order in which they came."""
        return self._inner.members

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with the members whenever the set has changed.

        @return: Takes the callback back.
        """
        return self._inner.onChange(Handler(callback, self._owner.tasks))

    async def known(self) -> list[Member]:
        """
        Wait until the whole set has come.  Only a channel that is subscribed or tracks gets it.

        @raise ClientError: The set will not come.
        """
        self._owner.check()
        return await settle(self._inner.known())


class SharedState:
    """
    The values of a keyed topic; see L{aerostack.client.sharedstate.SharedState}.
    """

    def __init__(self, inner: sharedstate.SharedState, owner: Owner) -> None:
        self._inner = inner
        self._owner = owner

    @property
    def isReady(self) -> bool:
        """Whether the daemon has sent all values that there are."""
        return self._inner.isReady

    @property
    def values(self) -> dict[str, Any]:
        """The newest data by key; another dictionary each time."""
        return self._inner.values

    def entry(self, key: str) -> Mapping[str, Any] | None:
        """
        The frame that brought a key's value; L{None} if the key has no value.
        """
        return self._inner.entry(key)

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with the values after every change.

        @return: Takes the callback back.
        """
        return self._inner.onChange(Handler(callback, self._owner.tasks))

    async def known(self) -> dict[str, Any]:
        """
        Wait until all values have come.  Only a channel that is subscribed gets them.

        @raise ClientError: They will not come.
        """
        self._owner.check()
        return await settle(self._inner.known())

    async def set(
        self,
        key: str,
        data: Any,
        *,
        event: str = "set",
        persist: bool = False,
        ifPos: str | None = None,
        ifNew: bool = False,
    ) -> None:
        """
        Set a value, as L{aerostack.client.sharedstate.SharedState.set} does.

        @raise ClientError: C{stale} if a condition does not hold.
        """
        self._owner.check()
        await settle(
            self._inner.set(key, data, event=event, persist=persist, ifPos=ifPos, ifNew=ifNew)
        )

    async def delete(
        self, key: str, *, event: str = "delete", persist: bool = False, ifPos: str | None = None
    ) -> None:
        """
        Remove a value; see L{set}.
        """
        self._owner.check()
        await settle(self._inner.delete(key, event=event, persist=persist, ifPos=ifPos))

    async def update(
        self, key: str, change: Callable[[Any], Any], *, event: str = "set", persist: bool = False
    ) -> Any:
        """
        Compute a new value from the present one, and set it.  Do so again if another client was
        faster.

        @param change: Gets the data, L{None} without a value, and gives the new data: L{None}
            removes the value.
        @return: The new data.
        @raise ClientError: The daemon refused it.
        """
        self._owner.check()
        return await settle(self._inner.update(key, change, event=event, persist=persist))


class Rows:
    """
    A table's rows; see L{aerostack.client.rows.Rows}.
    """

    def __init__(self, inner: rows.Rows, owner: Owner) -> None:
        self._inner = inner
        self._owner = owner

    @property
    def list(self) -> list[dict[str, Any]]:
        """The rows; another list each time."""
        return self._inner.list

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with the rows after every change, and after a snapshot.

        @return: Takes the callback back.
        """
        return self._inner.onChange(Handler(callback, self._owner.tasks))


class Answer:
    """
    An answer, as far as it came; see L{aerostack.client.answers.Answer}.
    """

    def __init__(self, inner: streamed.Answer, owner: Owner) -> None:
        self._inner = inner
        self._owner = owner

    @property
    def id(self) -> str:
        """The id of its stream."""
        return self._inner.id

    @property
    def text(self) -> str:
        """The text of all parts that are text."""
        return self._inner.text

    @property
    def parts(self) -> Sequence[Mapping[str, Any]]:
        """Its parts, in the order in which they began."""
        return self._inner.parts

    @property
    def state(self) -> str:
        """C{streaming}, C{done}, C{failed}, C{cancelled}, C{aborted} or C{unknown}."""
        return self._inner.state

    @property
    def fields(self) -> Mapping[str, Any]:
        """What else the daemon says of it."""
        return self._inner.fields

    async def cancel(self) -> None:
        """
        Stop it.

        @raise ClientError: The daemon refused to.
        """
        self._owner.check()
        await settle(self._inner.cancel())


class Answers:
    """
    The answers of a topic; see L{aerostack.client.answers.Answers}.
    """

    def __init__(self, inner: streamed.Answers, owner: Owner) -> None:
        self._inner = inner
        self._owner = owner

    @property
    def list(self) -> list[Answer]:
        """The answers, oldest first."""
        return [Answer(each, self._owner) for each in self._inner.list]

    @property
    def newest(self) -> Answer | None:
        """The answer that began last."""
        return self._view(self._inner.newest)

    def get(self, id: str) -> Answer | None:
        """
        The answer of a stream, if it came.
        """
        return self._view(self._inner.get(id))

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with every L{Answer} that has changed.

        @return: Takes the callback back.
        """
        handler = Handler(callback, self._owner.tasks)
        return self._inner.onChange(lambda answer: handler(Answer(answer, self._owner)))

    def _view(self, inner: streamed.Answer | None) -> Answer | None:
        return None if inner is None else Answer(inner, self._owner)
