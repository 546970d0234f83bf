"""
What a subscription holds beside the session: its topic is attached, and it counts to its project.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.python.failure import Failure

from aerostack.core.topics.topics import Topic
from aerostack.errors import RealtimeError
from aerostack.hub.attachments import Attachments
from aerostack.interfaces.shares import IShares
from aerostack.protocol.clientframes import Subscribe
from aerostack.sessions.attaching import Attaching
from aerostack.sessions.interfaces import Subscriber
from aerostack.sessions.refusals import refusal

GoOn = Callable[[Topic, Subscribe], None]
Refuse = Callable[[Topic, Subscribe, RealtimeError], None]


class Claims(Attaching[Subscribe]):
    """
    Has topics attached, and counts the requests, for the subscriptions of one session.
    """

    __slots__ = ("_shares",)

    def __init__(
        self,
        session: Subscriber,
        attachments: Attachments,
        pending: dict[str, Subscribe],
        shares: IShares,
    ) -> None:
        """
        @param pending: See L{Attaching}.
        """
        super().__init__(session, attachments, pending)
        self._shares = shares

    def claim(self, topic: Topic, frame: Subscribe, goOn: GoOn, refuse: Refuse) -> bool:
        """
        Take for a request what its subscription needs.  What was taken is given back with
        L{giveBack}.

        @param goOn: Is called with a request that has waited, once everything is taken for it.
        @param refuse: Is called with a request for which not everything can be taken; then
            nothing is.
        @return: Whether everything is taken already.
        """
        attached = partial(self._claimLater, goOn, refuse)
        return self.isReady(topic, frame, attached, refuse) and self._isCounted(
            topic, frame, goOn, refuse
        )

    def _claimLater(self, goOn: GoOn, refuse: Refuse, topic: Topic, frame: Subscribe) -> None:
        if self._isCounted(topic, frame, goOn, refuse):
            goOn(topic, frame)

    def _isCounted(self, topic: Topic, frame: Subscribe, goOn: GoOn, refuse: Refuse) -> bool:
        """Count a request whose topic is attached, or wait until it is counted."""
        try:
            counting = self._shares.subscribe(topic.project)
        except RealtimeError as error:
            self._attachments.release(topic.canonical)
            refuse(topic, frame, error)
            return False
        if counting is None:
            return True
        self._pending[topic.canonical] = frame
        counting.addCallbacks(
            partial(self._counted, topic, frame, goOn),
            partial(self._notCounted, topic, frame, refuse),
        ).addErrback(self._session.fail)
        return False

    def _counted(self, topic: Topic, frame: Subscribe, goOn: GoOn, _: object) -> None:
        if self._isAwaited(topic, frame):
            goOn(topic, frame)
        else:
            self.giveBack(topic)

    def _notCounted(self, topic: Topic, frame: Subscribe, refuse: Refuse, failure: Failure) -> None:
        self._attachments.release(topic.canonical)
        isAwaited = self._isAwaited(topic, frame)
        error = refusal(failure)
        if isAwaited:
            refuse(topic, frame, error)

    def _isAwaited(self, topic: Topic, frame: Subscribe) -> bool:
        """Whether the client still waits for this request.  After this call it does not."""
        if self._pending.get(topic.canonical) is not frame:
            return False
        del self._pending[topic.canonical]
        return True

    def giveBack(self, topic: Topic) -> None:
        """
        Give back what is held for one subscription, or for a request of one.
        """
        self._shares.unsubscribe(topic.project)
        self._attachments.release(topic.canonical)
