"""
The subscription to a topic: what the application wants, what the client asked for, and what the
daemon has answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, succeed

from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame, Head
from aerostack.client.pending import Pending, Waiting

_UNSUBSCRIBED = "The channel was unsubscribed before the daemon answered its subscription."


@dataclass(eq=False)
class _Request:
    """
    A subscription that the application asked for.

    @ivar fields: The fields of the C{subscribe} frame.
    @ivar position: The position to begin or to resume at, if it is known.
    @ivar waiting: The deferreds that wait for the answer.
    @ivar begun: Whether the application has all that came before the position: the daemon has
        confirmed this subscription, or the one that it replaces, on this connection or another.
    @ivar left: Whether the application has unsubscribed since.
    @ivar shown: Whether the application has the frames from before that C{rewind} asks for.
    """

    fields: dict[str, Any]
    position: str | None
    waiting: Waiting[Frame] = field(default_factory=Waiting)
    begun: bool = False
    left: bool = False
    shown: bool = False

    @property
    def beginsAnew(self) -> bool:
        """Whether the application wants something from before, and has none of it."""
        return bool(self.fields.get("snapshot") or self.fields.get("rewind"))

    def answer(self, result: Frame | ClientError) -> None:
        if isinstance(result, ClientError):
            self.waiting.fail(result)
        else:
            self.waiting.answer(result)


class Subscription:
    """
    Holds three subscriptions: the one that the application wants, the one that the client asked
    for and the daemon has not answered, and the one that the daemon has confirmed.  The client
    asks for one thing at a time, so that an answer has one meaning.

    @ivar postponed: Whether the client has to wait before it asks again.
    @ivar resting: Whether the client waits before it asks again, because the table is missing.  The
        application may ask before.
    @ivar filling: Whether pages of a snapshot have yet to come.
    """

    def __init__(self) -> None:
        self.filling = False
        self.postponed = False
        self.resting = False
        self._pages = 0
        self._wanted: _Request | None = None
        # What the client asked for on this connection, and the daemon has not answered.
        self._asked: _Request | None = None
        # What the daemon has confirmed on this connection, and its answer.
        self._held: _Request | None = None
        self._answer: Frame = {}
        self._leaving: list[Deferred[None]] = []
        self._askedToLeave = False

    @property
    def position(self) -> str | None:
        """The position to resume at, if there is one."""
        return None if self._wanted is None else self._wanted.position

    @property
    def heard(self) -> bool:
        """Whether the frames that come are for the application: it has not unsubscribed."""
        return self._held is None or not self._held.left

    @property
    def idle(self) -> bool:
        """Whether there is no subscription, and the daemon knows that."""
        return self._wanted is None and self.settled and not self.postponed

    @property
    def wanted(self) -> bool:
        """Whether the application wants a subscription."""
        return self._wanted is not None

    @property
    def asking(self) -> bool:
        """Whether the daemon has yet to answer."""
        return self._asked is not None or self._askedToLeave

    @property
    def pending(self) -> bool:
        """Whether there is a frame to send now."""
        waits = self.asking or self.postponed or (self.resting and self._wanted is not None)
        return self._held is not self._wanted and not waits

    @property
    def settled(self) -> bool:
        """Whether the daemon has what the application wants."""
        return self._held is self._wanted and not self.asking

    # From the application

    def isWanted(self, fields: dict[str, Any]) -> bool:
        """
        Whether the application wants this subscription already.

        @param fields: The fields of the C{subscribe} frame.
        """
        return self._wanted is not None and self._wanted.fields == fields

    def want(self, fields: dict[str, Any]) -> Deferred[Frame]:
        """
        Subscribe, or change the subscription.

        @param fields: The fields of the C{subscribe} frame.
        @return: Fires with the answer.
        """
        wanted = self._wanted
        self.resting = False
        if wanted is None or wanted.fields != fields:
            wanted = self._change(fields, fields.get("since"))
        elif self._held is wanted:
            return succeed(self._answer)
        return wanted.waiting.join()

    def _change(self, fields: dict[str, Any], position: str | None) -> _Request:
        """Replace what the application wants."""
        before = self._wanted
        wanted = self._wanted = _Request(fields, position)
        if before is not None and before is not self._asked:
            # The deferreds of the request before get the answer to this one.
            wanted.waiting, before.waiting = before.waiting, Waiting()
        if before not in (self._held, self._asked):
            self._goOn(before)
        return wanted

    def _goOn(self, before: _Request | None) -> None:
        """
        Let the wanted subscription resume at the position of the one before.  The daemon must
        neither hold that one nor have been asked for it: otherwise frames that are under way would
        come twice.
        """
        wanted = self._wanted
        if before is None or before is wanted:
            return
        fresh = wanted is None or wanted.position is not None or wanted.beginsAnew
        if wanted is not None and not fresh and before.begun and not before.left:
            wanted.position, wanted.begun = before.position, True

    def reload(self) -> bool:
        """
        The rows that the application has are wrong.

        @return: Whether the client asks for them again, because the subscription has a snapshot.
        """
        self.resting = False
        if self._wanted is None or not self._wanted.fields.get("snapshot"):
            return False
        self._change(self._wanted.fields, None)
        return True

    def restart(self) -> None:
        """
        Something is missing in the streams that the application has: subscribe anew, without a
        position.
        """
        # Otherwise the client is changing the subscription already.
        if self._wanted is not None and self._wanted is self._held:
            self._change(self._wanted.fields, None).shown = True

    def leave(self) -> Deferred[None]:
        """
        Unsubscribe.

        @return: Fires when the daemon has answered, or at once if there is no subscription.
        """
        wanted, self._wanted = self._wanted, None
        for request in (self._asked, self._held):
            if request is not None:
                request.left = True
        if wanted is not None and wanted is not self._asked:
            wanted.answer(ClientError("unsubscribed", _UNSUBSCRIBED))
        if self._asked is None and self._held is None:
            return succeed(None)
        left: Pending[None] = Pending()
        self._leaving.append(left)
        return left

    # To the daemon

    def ask(self) -> Frame:
        """
        Take the frame that is L{pending}.  The caller sends it.

        @return: The frame, without its topic.
        """
        if self._wanted is None:
            self._askedToLeave = True
            return {"type": "unsubscribe"}
        request = self._asked = self._wanted
        # The application's own C{since} counts once; later the position does.
        fields = {name: value for name, value in request.fields.items() if name != "since"}
        if request.position is not None:
            fields["since"] = request.position
        if request.shown:
            fields["rewind"] = 0
        return {"type": "subscribe", **fields}

    # From the daemon

    def subscribed(self, head: Head, frame: Frame) -> bool:
        """
        The daemon confirmed a subscription, or answered it again because it has lost what comes
        next.

        @return: Whether the application still wants it.
        """
        request, self._asked = self._asked or self._held, None
        if request is None:
            return False
        self._held, self._answer = request, frame
        self.resting = False
        # Without a recovery the daemon sends the rows; for a table that is missing, later.
        self.filling = bool(request.fields.get("snapshot")) and not frame.get("recovered")
        request.begun, request.position = True, None if self.filling else head.pos
        self._pages = 0
        self._left()
        request.answer(frame)
        return not request.left

    def unsubscribed(self) -> bool:
        """
        The daemon ended the subscription.

        @return: Whether the client asked for that.
        """
        asked, self._askedToLeave = self._askedToLeave, False
        if not asked and not self.postponed and not self.resting and self._wanted is self._held:
            # The daemon ended it for good: otherwise it would have sent an error before.
            self._wanted = None
        self._held = None
        self._left()
        return asked

    def refused(self, error: ClientError) -> bool:
        """
        The daemon refused the subscription.

        @return: Whether a deferred waited for it, and has failed.
        """
        request = self._unanswered()
        if request is None:
            return False
        waited = bool(request.waiting)
        if request is self._wanted and not (self.resting and self._held is None):
            # A change that is refused leaves the subscription as it was.
            self._wanted = self._held
        if self._held is None:
            self._left()
        request.answer(error)
        return waited

    def postpone(self) -> None:
        """
        The daemon refused the frame for now: the client asks for nothing until L{again}.
        """
        self._unanswered()
        self._askedToLeave, self.postponed = False, True

    def _unanswered(self) -> _Request | None:
        """Take the request that will get no answer."""
        asked, self._asked = self._asked, None
        if self._held is None:
            self._goOn(asked)
        return asked

    def again(self) -> None:
        """
        Ask again after L{postpone}.
        """
        self.postponed = False

    def rest(self) -> None:
        """
        The table is missing: ask again after L{rested}, or when the application asks.
        """
        self.resting = self._wanted is not None

    def rested(self) -> None:
        """
        Ask again after L{rest}.
        """
        self.resting = False

    def advance(self, position: str | None) -> None:
        """
        A frame of the topic's log came.

        @param position: Its position, if it has one.
        """
        if position is not None and not self.filling and self._held is not None:
            self._held.position = position

    def page(self) -> bool:
        """
        A page of a snapshot came.

        @return: Whether it is the first one.
        """
        self._pages += 1
        return self._pages == 1

    def filled(self, position: str | None) -> None:
        """
        The last page of a snapshot came.
        """
        self.filling = False
        self.advance(position)

    def closed(self) -> None:
        """
        The connection is closed.
        """
        self._goOn(self._held)
        asked, self._held = self._unanswered(), None
        self._askedToLeave = self.postponed = self.resting = self.filling = False
        if asked is not None and asked is not self._wanted:
            if self._wanted is not None:
                self._wanted.waiting[:0] = asked.waiting
            else:
                asked.answer(ClientError("unsubscribed", _UNSUBSCRIBED))
        self._left()

    def fail(self, error: ClientError) -> None:
        """
        The client has given up: fail what waits for an answer.  What the application wants stays.
        """
        if self._wanted is not None:
            self._wanted.answer(error)

    def _left(self) -> None:
        leaving, self._leaving = self._leaving, []
        for deferred in leaving:
            deferred.callback(None)
