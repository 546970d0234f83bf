"""
Channels: what an application holds of a topic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.client.answers import Answers
from aerostack.client.callbacks import Callback
from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame
from aerostack.client.outgoing import Terms, encodeGiven
from aerostack.client.presence import Presence
from aerostack.client.rows import Key, Rows
from aerostack.client.sharedstate import SharedState
from aerostack.client.topic import ERROR, FEED, GAP, SUBSCRIBED, Topic
from aerostack.client.topicowner import TopicOwner


class Channel:
    """
    A topic, as an application uses it.  L{RealtimeClient.channel} makes it.

    The client does what the application asks as soon as there is a connection, and does it again
    on each later connection: it resumes the subscription, and sends the presence again.
    """

    def __init__(self, owner: TopicOwner[Topic], topic: Topic) -> None:
        self._owner = owner
        self._topic = topic

    @property
    def topic(self) -> str:
        """The topic, as the application writes it."""
        return self._topic.name

    @property
    def presence(self) -> Presence:
        """Who is present."""
        return self._topic.presence

    @property
    def answers(self) -> Answers:
        """The streams, such as the answers of a language model."""
        return self._topic.answers

    @property
    def sharedState(self) -> SharedState:
        """The values of the topic, if it is keyed."""
        return self._topic.sharedState

    @property
    def view(self) -> str:
        """The name of the subscription beside others to the same table; empty if it has none."""
        return self._topic.view

    @property
    def rows(self) -> Rows:
        """The rows of a table that is subscribed with C{snapshot}."""
        return self._topic.rows

    # Callbacks

    def on(self, event: str, callback: Callback) -> Channel:
        """
        Call a function with every frame of an event.

        @param event: C{INSERT}, C{UPDATE} or C{DELETE} of a table, the name of an event,
            C{message} for a C{chat} message, or C{*} for all of these.  Besides these,
            C{snapshot} for the pages of a snapshot and C{commit} for the end of a transaction.
        @param callback: Gets the frame, a dictionary.
        """
        self._topic.events.add(event, callback)
        return self

    def off(self, event: str, callback: Callback | None = None) -> Channel:
        """
        Take a callback back.

        @param callback: L{None} for all callbacks of the event.
        """
        self._topic.events.remove(event, callback)
        return self

    def onGap(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function when the daemon no longer has what the client missed.  The call comes
        before anything newer.  The application then loads again what it made of the topic.

        @param callback: Gets a dictionary with the C{topic} and the C{reason}: C{expired},
            C{unknown} or C{limit}; or of a table C{table_lost} when it was dropped or
            rebuilt, C{back} when it is there again, and C{altered} when its columns changed.
            A subscription with a snapshot gets the rows again by itself.  The reason C{events}
            says that events on a table's topic may be missing, and that the rows are whole.
        @return: Takes the callback back.
        """
        return self._topic.notices.add(GAP, callback)

    def onFeedChange(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function when the daemon cannot follow the database for a while, and when it can
        again.

        @param callback: Gets C{down} or C{up}, and the daemon's message.
        @return: Takes the callback back.
        """
        return self._topic.notices.add(FEED, callback)

    def onError(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function with those errors of this channel that fail no L{Deferred}.

        @param callback: Gets a L{ClientError}.
        @return: Takes the callback back.
        """
        return self._topic.notices.add(ERROR, callback)

    def onSubscribed(self, callback: Callback) -> Callable[[], None]:
        """
        Call a function whenever the subscription begins, and whenever it begins again on another
        connection.

        @param callback: Gets the C{subscribed} frame, with C{recovered} where it resumes.
        @return: Takes the callback back.
        """
        return self._topic.notices.add(SUBSCRIBED, callback)

    # Subscribing

    @property
    def isSubscribed(self) -> bool:
        """Whether the channel is subscribed, or will be."""
        return self._topic.subscription.wanted

    @property
    def position(self) -> str | None:
        """The position to resume from: the last one that came."""
        return self._topic.subscription.position

    def subscribe(
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
    ) -> Deferred[Frame]:
        """
        Subscribe.  If the channel is subscribed with other arguments, change the subscription.

        @param filter: Which rows of a table; L{None} for the filter of the channel.
        @param since: A position to resume from, perhaps of an earlier run.
        @param snapshot: Whether the present rows come first, as C{snapshot}, and L{rows} has them.
        @param order: The order of the snapshot and of L{rows}: pairs of a column and C{asc} or
            C{desc}.
        @param limit: How many rows the snapshot and L{rows} have at most.
        @param columns: Which columns.
        @param event: Which of C{INSERT}, C{UPDATE} and C{DELETE}.
        @param rewind: How many of the newest frames of the topic's log come first, oldest first;
            not for tables.  L{None} for as many as the daemon's configuration says.
        @param key: The column, or the columns, whose values identify a row of L{rows}.
        @param timeout: Seconds in which the daemon has to answer; L{None} for those of the client,
            C{math.inf} for any time.
        @return: Fires with the C{subscribed} frame.  Fails with L{ClientError}; with C{timed_out}
            if the answer does not come in time.  The client then goes on asking.
        """
        fields = {
            "filter": self._topic.filter if filter is None else filter,
            "since": since,
            "snapshot": snapshot,
            "order": order,
            "limit": limit,
            "columns": columns,
            "event": event,
            "rewind": rewind,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        for name, value in given.items():
            # Raises now, in the caller, what would otherwise fail later.
            encodeGiven(value, name)
        self._topic.released = False
        if snapshot and not self._topic.subscription.isWanted(given):
            self._topic.rows.begin(key, order, limit)
        answered = self._topic.subscription.want(given)
        self._owner.changed(self._topic)
        return self._owner.bound(answered, self.topic, timeout)

    def unsubscribe(self) -> Deferred[None]:
        """
        Unsubscribe, and take all callbacks of L{on} back.

        @return: Fires when the daemon has answered.
        """
        self._topic.events.clear()
        self.answers.clear()
        self.presence.clear()
        self.sharedState.clear()
        self.rows.clear()
        for each in (self.presence, self.sharedState):
            each.fail(ClientError("unsubscribed", "The channel was unsubscribed."))
        self._topic.released = True
        left = self._topic.subscription.leave()
        self._owner.changed(self._topic)
        return left

    # Publishing

    def publish(
        self,
        event: str,
        data: Any = None,
        persist: bool = False,
        replaces: int | None = None,
        *,
        key: str | None = None,
        ifPos: str | None = None,
        ifNew: bool = False,
    ) -> Deferred[None]:
        """
        Publish an event.

        @param data: Any JSON value.
        @param persist: Whether the topic's history keeps it.
        @param replaces: The C{created_at}, ms, up to which it replaces the topic's kept messages.
        @param key: On a keyed topic, the key whose value the data become; L{None} as the data
            removes the value.
        @param ifPos: Publish only if the key's value has this C{pos}.
        @param ifNew: Publish only if the key has no value.
        @return: Fires when the daemon has accepted it; with C{persist}, when it is stored.
            Fails with L{ClientError}.
        """
        terms = Terms(persist, replaces, key, ifPos, ifNew)
        return self._owner.publish(self.topic, event, data, terms)

    def getHistory(self, limit: int = 50, before: int | None = None) -> Deferred[list[Frame]]:
        """
        Read a page of the topic's history.

        @param before: The C{created_at} (ms) of the oldest message of the page before.
        @return: Fires with the messages, newest first.  Fails with L{ClientError}.
        """
        return self._owner.history(self.topic, limit, before)

    # Presence

    def track(self, state: dict[str, Any]) -> None:
        """
        Be present with a state, or change the state.
        """
        if self.view:
            raise ValueError("a client is present on a topic, not on a view: use channel(topic)")
        if not isinstance(state, dict):
            raise TypeError(f"a presence state is a dictionary, not {state!r}")
        encoded = encodeGiven(state, "state")
        self._topic.released = False
        self._topic.setState(encoded)

    def untrack(self) -> None:
        """
        Be present no more.
        """
        self._topic.setState(None)
