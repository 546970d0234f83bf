"""
A channel's subscription: what the application wants, what the daemon was asked, and what
it has answered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, succeed

from aerostack.client.errors import ClientError
from aerostack.client.frames import Frame, Head

_UNSUBSCRIBED = "The channel was unsubscribed before its subscription was answered."


@dataclass(eq=False)
class _Request:
    """
    @ivar fields: What the application wants: the fields of the C{subscribe} frame.
    @ivar position: Where to begin or to resume, if it is known.
    @ivar waiting: Who waits for the answer.
    @ivar begun: Whether the application has what was before its position: the daemon has
        confirmed it, on whatever connection, or what it replaces.
    @ivar left: Whether the application has left since, and is to hear nothing of it.
    """

    fields: dict[str, Any]
    position: str | None
    waiting: list[Deferred[Frame]] = field(default_factory=list)
    begun: bool = False
    left: bool = False

    def answer(self, result: Frame | ClientError) -> None:
        waiting, self.waiting = self.waiting, []
        for deferred in waiting:
            if isinstance(result, ClientError):
                deferred.errback(result)
            else:
                deferred.callback(result)


class Subscription:
    """
    One thing is asked at a time, so that it is clear what an answer answers.

    @ivar postponed: Whether nothing is to be asked for a while.
    @ivar filling: Whether the pages of a snapshot are yet to come, all or some.
    """

    def __init__(self) -> None:
        self.filling = False
        self.postponed = False
        self._pages = 0
        self._wanted: _Request | None = None
        # What the present connection was asked and has not answered.
        self._asked: _Request | None = None
        # What it has confirmed, and how.
        self._held: _Request | None = None
        self._answer: Frame = {}
        self._leaving: list[Deferred[None]] = []
        self._askedToLeave = False

    @property
    def position(self) -> str | None:
        """Where to resume, if there is something to resume."""
        return None if self._wanted is None else self._wanted.position

    @property
    def heard(self) -> bool:
        """Whether what comes is what the application wants to hear, not what it has left."""
        return self._held is None or not self._held.left

    @property
    def idle(self) -> bool:
        """Whether nothing is wanted, the daemon knows, and nothing has to be gone on with."""
        return self._wanted is None and self.settled and not self.postponed

    @property
    def wanted(self) -> bool:
        """Whether the application is subscribed, or wants to be."""
        return self._wanted is not None

    @property
    def asking(self) -> bool:
        """Whether the daemon has yet to answer something."""
        return self._asked is not None or self._askedToLeave

    @property
    def pending(self) -> bool:
        """Whether there is something to be asked now."""
        return self._held is not self._wanted and not self.asking and not self.postponed

    @property
    def settled(self) -> bool:
        """Whether all is as the application wants it."""
        return self._held is self._wanted and not self.asking

    # From the application

    def want(self, fields: dict[str, Any]) -> Deferred[Frame]:
        """
        Be subscribed.

        @param fields: Those of the C{subscribe} frame.
        @return: Fires with the answer.
        """
        wanted = self._wanted
        if wanted is None or wanted.fields != fields:
            wanted = self._change(fields, fields.get("since"))
        elif self._held is wanted:
            return succeed(self._answer)
        answered: Deferred[Frame] = Deferred()
        wanted.waiting.append(answered)
        return answered

    def _change(self, fields: dict[str, Any], position: str | None) -> _Request:
        """Want something else."""
        before = self._wanted
        wanted = self._wanted = _Request(fields, position)
        if before is not None and before is not self._asked:
            # Whoever waited to be subscribed will be, if otherwise.
            wanted.waiting = before.waiting
        if before not in (self._held, self._asked):
            self._goOn(before)
        return wanted

    def _goOn(self, before: _Request | None) -> None:
        """
        Let what is wanted begin where what was before has come to, which no daemon holds or is
        asked for any more: else it would tell twice what is under way.
        """
        wanted = self._wanted
        if before is None or before is wanted:
            return
        fresh = wanted is None or wanted.position is not None or wanted.fields.get("snapshot")
        if wanted is not None and not fresh and before.begun and not before.left:
            wanted.position, wanted.begun = before.position, True

    def reload(self) -> bool:
        """
        The rows that the application has are not those that there are.

        @return: Whether they are asked for again: the subscription has them come first.
        """
        if self._wanted is None or not self._wanted.fields.get("snapshot"):
            return False
        self._change(self._wanted.fields, None)
        return True

    def leave(self) -> Deferred[None]:
        """
        Be subscribed no more.

        @return: Fires when the daemon has answered, or there is nothing to be left.
        """
        wanted, self._wanted = self._wanted, None
        for request in (self._asked, self._held):
            if request is not None:
                request.left = True
        if wanted is not None and wanted is not self._asked:
            wanted.answer(ClientError("unsubscribed", _UNSUBSCRIBED))
        if self._asked is None and self._held is None:
            return succeed(None)
        left: Deferred[None] = Deferred()
        self._leaving.append(left)
        return left

    # To the daemon

    def ask(self) -> Frame:
        """
        Ask for what is L{pending}.

        @return: The frame that is to be sent, but for its topic.
        """
        if self._wanted is None:
            self._askedToLeave = True
            return {"type": "unsubscribe"}
        request = self._asked = self._wanted
        # Where the application began counts once.
        fields = {name: value for name, value in request.fields.items() if name != "since"}
        if request.position is not None:
            fields["since"] = request.position
        return {"type": "subscribe", **fields}

    # From the daemon

    def subscribed(self, head: Head, frame: Frame) -> bool:
        """
        It is so.

        @return: Whether that was asked, and is wanted still.
        """
        request, self._asked = self._asked, None
        if request is None:
            return False
        self._held, self._answer = request, frame
        # Whose past was not recovered gets the rows; where the table is not there now, later.
        self.filling = bool(request.fields.get("snapshot")) and not frame.get("recovered")
        request.begun, request.position = True, None if self.filling else head.pos
        self._pages = 0
        self._left()
        request.answer(frame)
        return not request.left

    def unsubscribed(self) -> bool:
        """
        It is so no more.

        @return: Whether that was asked.
        """
        asked, self._askedToLeave = self._askedToLeave, False
        if not asked and not self.postponed and self._wanted is self._held:
            # Had it been for a while only, we would know.
            self._wanted = None
        self._held = None
        self._left()
        return asked

    def refused(self, error: ClientError) -> bool:
        """
        It will not be so.

        @return: Whether somebody waited for it, and was told.
        """
        request = self._unanswered()
        if request is None:
            return False
        waited = bool(request.waiting)
        if request is self._wanted:
            # Where it was to be changed only, it stays as it was.
            self._wanted = self._held
        if self._held is None:
            self._left()
        request.answer(error)
        return waited

    def postpone(self) -> None:
        """
        Not now: nothing is asked until L{again} is called.
        """
        self._unanswered()
        self._askedToLeave, self.postponed = False, True

    def _unanswered(self) -> _Request | None:
        """What was asked, and will not be answered any more."""
        asked, self._asked = self._asked, None
        if self._held is None:
            self._goOn(asked)
        return asked

    def again(self) -> None:
        """
        Go on with what was postponed.
        """
        self.postponed = False

    def advance(self, position: str | None) -> None:
        """
        Something came that is part of the topic's log.
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
        The connection is gone.
        """
        self._goOn(self._held)
        asked, self._held = self._unanswered(), None
        self._askedToLeave = self.postponed = self.filling = False
        if asked is not None and asked is not self._wanted:
            if self._wanted is not None:
                self._wanted.waiting[:0] = asked.waiting
            else:
                asked.answer(ClientError("unsubscribed", _UNSUBSCRIBED))
        self._left()

    def fail(self, error: ClientError) -> None:
        """
        Nobody is there to answer any more.  What is wanted stays.
        """
        if self._wanted is not None:
            self._wanted.answer(error)

    def _left(self) -> None:
        leaving, self._leaving = self._leaving, []
        for deferred in leaving:
            deferred.callback(None)
