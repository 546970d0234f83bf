"""
The subscriptions of all topics.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from aerostack.core.rows.changes import Change
from aerostack.core.rows.viewindex import ViewIndex
from aerostack.core.rows.views import View

S = TypeVar("S", bound=Hashable)


Groups = Sequence[tuple[View | None, tuple[S, ...]]]
"""Pairs of a view and its subscribers."""


class _Group(Generic[S]):
    """
    Subscribers of one topic that have the same view.
    """

    __slots__ = ("_sequence", "members")

    def __init__(self, members: Iterable[S] = ()) -> None:
        self.members = dict.fromkeys(members)
        # The tuple that a publication iterates over.  It is made when a publication comes, not when
        # a subscriber joins.
        self._sequence: tuple[S, ...] | None = None

    def add(self, subscriber: S) -> None:
        self.members[subscriber] = None
        self._sequence = None

    def remove(self, subscriber: S) -> None:
        del self.members[subscriber]
        self._sequence = None

    @property
    def sequence(self) -> tuple[S, ...]:
        """The subscribers, in the order in which they joined."""
        if self._sequence is None:
            self._sequence = tuple(self.members)
        return self._sequence


class _Members(Generic[S]):
    """
    The subscribers of one topic.
    """

    __slots__ = ("_groups", "_index", "_sequence", "views")

    def __init__(self) -> None:
        self.views: dict[S, View | None] = {}
        # Both are made with the first view that is not of everything.  Most topics are not tables'
        # and never have one.
        self._groups: dict[View | None, _Group[S]] | None = None
        self._index: ViewIndex | None = None
        # All subscribers, while there are no groups; see _Group.
        self._sequence: tuple[S, ...] | None = None

    def join(self, subscriber: S, view: View | None) -> None:
        known = subscriber in self.views
        if known and self.views[subscriber] == view:
            return
        if self._groups is None and view is not None:
            self._groups = {None: _Group(self.views)} if self.views else {}
            self._index = ViewIndex()
        if known:
            self._leaveGroup(subscriber)
        self.views[subscriber] = view
        self._sequence = None
        if self._groups is not None:
            group = self._groups.get(view)
            if group is None:
                group = self._groups[view] = _Group()
                if view is not None and self._index is not None:
                    self._index.add(view)
            group.add(subscriber)

    def leave(self, subscriber: S) -> None:
        self._leaveGroup(subscriber)
        del self.views[subscriber]
        self._sequence = None

    def _leaveGroup(self, subscriber: S) -> None:
        if self._groups is None:
            return
        view = self.views[subscriber]
        group = self._groups[view]
        group.remove(subscriber)
        if not group.members:
            del self._groups[view]
            if view is not None and self._index is not None:
                self._index.remove(view)

    def group(self, view: View | None) -> tuple[S, ...]:
        if self._groups is not None:
            group = self._groups.get(view)
            return () if group is None else group.sequence
        if view is not None:
            return ()
        if self._sequence is None:
            self._sequence = tuple(self.views)
        return self._sequence

    def groups(self) -> Groups[S]:
        if self._groups is None:
            return ((None, self.group(None)),)
        return [(view, group.sequence) for view, group in self._groups.items()]

    def concerned(self, change: Change) -> Groups[S]:
        if self._groups is None or self._index is None:
            return ((None, self.group(None)),)
        found: list[tuple[View | None, tuple[S, ...]]] = []
        everything = self._groups.get(None)
        if everything is not None:
            found.append((None, everything.sequence))
        for view in self._index.find(change.data, change.old):
            found.append((view, self._groups[view].sequence))
        return found


class Registry(Generic[S]):
    """
    Topics and their subscribers, both ways.  Joining and leaving cost the same for topics of any
    size.

    Subscribers with the same view are returned as a tuple.  It is the same object until one of them
    joins or leaves.
    """

    def __init__(self) -> None:
        self._topics: dict[str, _Members[S]] = {}
        self._subscribers: dict[S, dict[str, None]] = {}

    def subscribe(self, subscriber: S, topic: str, view: View | None = None) -> bool:
        """
        Add a subscription to a topic, or give a subscription another view.

        @return: Whether the subscription is new.
        """
        members = self._topics.get(topic)
        if members is None:
            members = self._topics[topic] = _Members()
        new = subscriber not in members.views
        members.join(subscriber, view)
        self._subscribers.setdefault(subscriber, {})[topic] = None
        return new

    def unsubscribe(self, subscriber: S, topic: str) -> bool:
        """
        End a subscription.

        @return: Whether there was a subscription.
        """
        topics = self._subscribers.get(subscriber)
        if topics is None or topic not in topics:
            return False
        del topics[topic]
        if not topics:
            del self._subscribers[subscriber]
        members = self._topics[topic]
        members.leave(subscriber)
        if not members.views:
            del self._topics[topic]
        return True

    def subscribers(self, topic: str) -> Mapping[S, View | None]:
        """
        The subscribers of a topic with their views, in the order in which they joined.
        """
        members = self._topics.get(topic)
        return {} if members is None else members.views

    def groups(self, topic: str) -> Groups[S]:
        """
        All subscribers of a topic, by their views.
        """
        members = self._topics.get(topic)
        return () if members is None else members.groups()

    def group(self, topic: str, view: View | None) -> tuple[S, ...]:
        """
        The subscribers of a topic that have one view.
        """
        members = self._topics.get(topic)
        return () if members is None else members.group(view)

    def concerned(self, topic: str, change: Change) -> Groups[S]:
        """
        The subscribers of a topic whose views a change may concern, by their views.
        """
        members = self._topics.get(topic)
        return () if members is None else members.concerned(change)

    def topicsOf(self, subscriber: S) -> Collection[str]:
        """
        The topics of a subscriber, in the order in which they were subscribed.
        """
        return tuple(self._subscribers.get(subscriber, ()))

    def count(self, subscriber: S) -> int:
        """
        The number of topics of a subscriber.
        """
        return len(self._subscribers.get(subscriber, ()))

    def __contains__(self, topic: str) -> bool:
        return topic in self._topics

    def __iter__(self) -> Iterator[str]:
        return iter(self._topics)

    def __len__(self) -> int:
        return len(self._topics)
