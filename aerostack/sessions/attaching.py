"""
The requests of one session that wait until their topics are attached.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from twisted.python.failure import Failure

from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.attachments import Attachments
from aerostack.sessions.interfaces import Subscriber
from aerostack.sessions.refusals import refusal

Request = TypeVar("Request")


class Attaching(Generic[Request]):
    """
    Has topics attached for requests.  Of the requests for one topic only the newest goes on.
    """

    __slots__ = ("_attachments", "_pending", "_session", "_topics")

    def __init__(
        self,
        session: Subscriber,
        attachments: Attachments,
        pending: dict[str, Request],
    ) -> None:
        """
        @param pending: Holds the requests by canonical topic.  A request that was taken out does
            not go on.
        """
        self._session = session
        self._attachments = attachments
        self._pending = pending
        # The topics for which an attachment is awaited.
        self._topics: set[str] = set()

    def isReady(
        self,
        topic: Topic,
        request: Request,
        goOn: Callable[[Topic, Request], None],
        refuse: Callable[[Topic, Request, RealtimeError], None],
    ) -> bool:
        """
        Have a topic attached for a request.

        @param goOn: Is called with the newest request for the topic that has waited, once the topic
            is attached for it.
        @param refuse: Is called with that request if the topic cannot be attached.
        @return: Whether the topic is attached already; if not, the request is pending from now on.
        """
        # Both are not kept: they refer to what has this object, and both would stay in memory.
        canonical = topic.canonical
        if canonical in self._topics:
            # The request before this one waits for the topic; this one takes its place.
            self._pending[canonical] = request
            return False
        attaching = self._attachments.attach(canonical)
        if attaching is None:
            return True
        self._pending[canonical] = request
        self._topics.add(canonical)
        attaching.addCallbacks(
            partial(self._attached, topic, goOn), partial(self._notAttached, topic, refuse)
        ).addErrback(self._session.fail)
        return False

    def _attached(self, topic: Topic, goOn: Callable[[Topic, Request], None], _: object) -> None:
        self._topics.discard(topic.canonical)
        request = self._pending.pop(topic.canonical, None)
        if request is None:
            # The client has gone, or does not want it any more.
            self._attachments.release(topic.canonical)
        else:
            goOn(topic, request)

    def _notAttached(
        self,
        topic: Topic,
        refuse: Callable[[Topic, Request, RealtimeError], None],
        failure: Failure,
    ) -> None:
        self._topics.discard(topic.canonical)
        request = self._pending.pop(topic.canonical, None)
        error = refusal(failure)
        if request is not None:
            refuse(topic, request, error)
