"""
The values of a keyed topic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed

from aerostack.client.callbacks import Callback, Callbacks
from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame
from aerostack.client.outgoing import Terms
from aerostack.client.pending import Waiting

_CHANGE = "change"

Publish = Callable[[str, Any, Terms], Deferred[None]]
"""Publishes an event with its data."""


class SharedState:
    """
    The newest event of each key.

    While the daemon sends all values anew, the application sees the old ones.

    @ivar isReady: Whether the daemon has sent all values that there are.
    """

    def __init__(self, publish: Publish, added: Callable[[], None] | None = None) -> None:
        """
        @param added: Called when the application adds a callback, or waits for the values.
        """
        self.isReady = False
        self._publish = publish
        self._entries: dict[str, Frame] = {}
        # The values that are coming, until the last of them is there.
        self._coming: dict[str, Frame] | None = None
        self._waiting: Waiting[dict[str, Any]] = Waiting()
        self._callbacks = Callbacks(added)
        self._added = added

    @property
    def values(self) -> dict[str, Any]:
        """The newest data by key; another dictionary each time."""
        return {key: frame.get("data") for key, frame in self._entries.items()}

    @property
    def watched(self) -> bool:
        """Whether the application has a callback, or waits for the values."""
        return bool(self._callbacks or self._waiting)

    def entry(self, key: str) -> Mapping[str, Any] | None:
        """
        The frame that brought a key's value, with C{pos}, C{userId} and C{timestamp}; L{None} if
        the key has no value.
        """
        return self._entries.get(key)

    def onChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function after every change.

        @param callback: Gets the values.
        @return: Takes the callback back.
        """
        return self._callbacks.add(_CHANGE, callback)

    def known(self) -> Deferred[dict[str, Any]]:
        """
        Wait until all values have come.  Only a channel that is subscribed gets them.

        @return: Fires with the values.  Fails with L{ClientError} when they will not come.
        """
        if self.isReady:
            return succeed(self.values)
        waiting = self._waiting.join()
        if self._added is not None:
            self._added()
        return waiting

    # Changing

    def set(
        self,
        key: str,
        data: Any,
        *,
        event: str = "set",
        persist: bool = False,
        ifPos: str | None = None,
        ifNew: bool = False,
    ) -> Deferred[None]:
        """
        Set a value.

        @param event: The name of the event that the other clients get.
        @param persist: Whether the value outlives a restart of the daemon.
        @param ifPos: Only if the key's value has this C{pos}.
        @param ifNew: Only if the key has no value.
        @return: Fires when the daemon has accepted it.  Fails with L{ClientError} C{stale}, whose
            C{details} have C{pos} and C{data} of the present value, if a condition does not hold.
        """
        return self._publish(event, data, Terms(persist, None, key, ifPos, ifNew))

    def delete(
        self, key: str, *, event: str = "delete", persist: bool = False, ifPos: str | None = None
    ) -> Deferred[None]:
        """
        Remove a value; see L{set}.
        """
        return self._publish(event, None, Terms(persist, None, key, ifPos))

    def update(
        self,
        key: str,
        change: Callable[[Any], Any],
        *,
        event: str = "set",
        persist: bool = False,
    ) -> Deferred[Any]:
        """
        Compute a new value from the present one, and set it.  Do so again if another client was
        faster.

        @param change: Gets the data, L{None} without a value, and gives the new data: L{None}
            removes the value.
        @return: Fires with the new data.  Fails with L{ClientError}.
        """
        return Deferred.fromCoroutine(self._update(key, change, event, persist))

    async def _update(
        self, key: str, change: Callable[[Any], Any], event: str, persist: bool
    ) -> Any:
        frame = self._entries.get(key, {})
        pos, data = frame.get("pos"), frame.get("data")
        while True:
            changed = change(data)
            try:
                await self._publish(event, changed, Terms(persist, None, key, pos, pos is None))
                return changed
            except ClientError as error:
                # A client that may not read the topic does not get the value.
                if error.code != "stale" or "pos" not in error.details:
                    raise
                pos, data = error.details.get("pos"), error.details.get("data")

    # From the topic

    def subscribed(self, goesOn: bool, isComing: bool) -> None:
        """
        The subscription begins.

        @param goesOn: Whether the daemon sends only what the client missed.
        @param isComing: Otherwise: whether the daemon sends values.
        """
        if not goesOn:
            self._coming = {}
        if self._coming is not None and (goesOn or not isComing):
            self._show(self._coming)

    def received(self, frame: Frame) -> None:
        """
        Take an event.  It changes nothing if it has no key.
        """
        key = frame.get("key")
        if not isinstance(key, str):
            return
        entries = self._entries if self._coming is None else self._coming
        entries.pop(key, None)
        if frame.get("data") is not None:
            entries[key] = frame
        if self._coming is None:
            self._callbacks.call(_CHANGE, self.values)
        elif not (frame.get("current") and frame.get("more")):
            self._show(self._coming)

    def _show(self, entries: dict[str, Frame]) -> None:
        isNew = bool(entries or self._entries)
        self._entries, self._coming, self.isReady = entries, None, True
        if isNew:
            self._callbacks.call(_CHANGE, self.values)

    def answer(self) -> None:
        """
        Fire the deferreds of L{known}, if all values have come.
        """
        if self.isReady:
            self._waiting.answer(self.values)

    def fail(self, error: ClientError) -> None:
        """
        The values will not come: fail the deferreds of L{known}.
        """
        self._waiting.fail(error)

    def over(self, error: ClientError) -> None:
        """
        The daemon sends no more changes, so the values are not known.
        """
        self.isReady, self._coming = False, None
        if self._entries:
            self._entries = {}
            self._callbacks.call(_CHANGE, {})
        self.fail(error)

    def clear(self) -> None:
        """
        Forget the values and the callbacks.
        """
        self.isReady, self._coming, self._entries = False, None, {}
        self._callbacks.clear()
