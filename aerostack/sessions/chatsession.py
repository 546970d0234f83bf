"""
The session of a client that chats by the AI SDK's C{WebSocketChatTransport}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from aerostack.core.access.permissions import Identity
from aerostack.errors import CLOSE_UNSUPPORTED, RealtimeError
from aerostack.interfaces.messaging import IConnection
from aerostack.protocol.chatframes import (
    AbortRequest,
    ChatFrame,
    SendRequest,
    chatFrame,
    decodeChatFrame,
)
from aerostack.protocol.chatrequests import PARAMETERS
from aerostack.protocol.uichunks import ChunkWriter
from aerostack.sessions.chats import Chats
from aerostack.sessions.context import SessionContext
from aerostack.sessions.life import State
from aerostack.sessions.session import Session
from aerostack.streams.following import Following, messageIdOf

MOST = 32
"""How many answers one connection may follow at a time."""

PIECE = 65_536
"""How many characters are sent at once, about."""


class ChatSession(Session):
    """
    A connection over which answers go out as fast as the client reads them.
    """

    __slots__ = ("_answers", "_chats", "_isFull")

    def __init__(
        self, connection: IConnection, identity: Identity, context: SessionContext, chats: Chats
    ) -> None:
        self._chats = chats
        self._answers: dict[str, _Answer] = {}
        self._isFull = False
        super().__init__(connection, identity, context)

    def received(self, payload: bytes, isBinary: bool) -> None:
        if self._state is not State.OPEN or self.leaving:
            return
        if isBinary:
            self.close(CLOSE_UNSUPPORTED, "send JSON text")
            return
        if not self._admit(payload):
            return
        try:
            frame = decodeChatFrame(payload)
        except RealtimeError as error:
            self.noteRefusal(error, None, None)
            # The client could not say which of its requests this is about.
            self.sendError(error, None, None)
            return
        if isinstance(frame, AbortRequest):
            self.forget(frame.requestId)
        elif frame.requestId in self._answers:
            self.tell("error", frame.requestId, errorText="The requestId is taken.")
        elif len(self._answers) >= MOST:
            self.tell("error", frame.requestId, errorText=f"At most {MOST} requests at a time.")
        else:
            answer = self._answers[frame.requestId] = _Answer(self, frame.requestId)
            asking = Deferred.fromCoroutine(self._ask(frame, answer))
            asking.addErrback(self._failed, answer)

    async def _ask(self, frame: ChatFrame, answer: _Answer) -> None:
        identity = self.identity
        following: Following | None
        if isinstance(frame, SendRequest):
            params = {name: bytes(each) for name, each in frame.body.items() if name in PARAMETERS}
            following = await self._chats.ask(identity, frame.asked, params, answer.changed)
        else:
            assert not isinstance(frame, AbortRequest)
            following = await self._chats.resume(identity, frame.id, answer.changed)
        if self._answers.get(answer.requestId) is not answer:
            # The client has gone, or does not want it any more.
            if following is not None:
                following.leave()
            return
        if following is None:
            self.forget(answer.requestId)
            self.tell("no-active", answer.requestId)
            return
        answer.start(following)

    def _failed(self, failure: Failure, answer: _Answer) -> None:
        if self._answers.get(answer.requestId) is not answer:
            return
        self.forget(answer.requestId)
        error = failure.value
        if not isinstance(error, RealtimeError):
            self.log.failure("a chat failed", failure, connection=self.connectionId)
            error = RealtimeError("internal_error", "The daemon failed; its log says how.")
        self.noteRefusal(error, "chat", None)
        self.tell("error", answer.requestId, errorText=error.message)

    def reauthorize(self, topic: str | None = None) -> None:
        super().reauthorize(topic)
        for answer in tuple(self._answers.values()):
            try:
                answer.check()
            except RealtimeError as error:
                self.forget(answer.requestId)
                self.tell("error", answer.requestId, errorText=error.message)

    def congested(self) -> None:
        super().congested()
        self._isFull = True

    def drained(self) -> None:
        super().drained()
        self._isFull = False
        for answer in tuple(self._answers.values()):
            answer.changed()

    def closed(self, clean: bool, code: int | None = None, reason: str | None = None) -> None:
        for requestId in tuple(self._answers):
            self.forget(requestId)
        super().closed(clean, code, reason)

    # What the answers call

    @property
    def isReady(self) -> bool:
        """Whether the client takes more now."""
        return self._state is State.OPEN and not self._isFull

    def tell(self, kind: str, requestId: str, **fields: object) -> None:
        """
        Send a frame of an answer.
        """
        if self._state is State.OPEN:
            self._connection.send(chatFrame(kind, requestId, **fields))

    def forget(self, requestId: str) -> None:
        """
        Send no more of an answer.
        """
        answer = self._answers.pop(requestId, None)
        if answer is not None:
            answer.leave()


class _Answer:
    """
    An answer that goes out.
    """

    def __init__(self, session: ChatSession, requestId: str) -> None:
        self.requestId = requestId
        self._session = session
        self._following: Following | None = None
        self._writer: ChunkWriter | None = None
        self._sequence = 0
        self._restarts = 0
        self._isSending = False

    def start(self, following: Following) -> None:
        """
        Begin to send.
        """
        self._following = following
        self._session.tell("start", self.requestId)
        self.changed()

    def check(self) -> None:
        """
        Make sure that the client may go on to read.

        @raise RealtimeError: It may not.
        """
        if self._following is not None:
            self._following.check()

    def leave(self) -> None:
        """
        Send no more.
        """
        following, self._following = self._following, None
        if following is not None:
            following.leave()

    def changed(self) -> None:
        """
        Send what there is.
        """
        if self._isSending or self._following is None:
            return
        self._isSending = True
        try:
            self._send(self._following)
        finally:
            self._isSending = False

    def _send(self, following: Following) -> None:
        session = self._session
        if self._writer is None:
            if not following.head:
                return
            self._writer = ChunkWriter(messageIdOf(following))
            self._chunks(self._writer.begin())
        while session.isReady:
            try:
                growths = following.take(PIECE)
            except RealtimeError as error:
                session.tell("error", self.requestId, errorText=error.message)
                session.forget(self.requestId)
                return
            if following.restarts != self._restarts:
                self._restarts = following.restarts
                self._chunks(self._writer.reset())
            if not growths:
                break
            for growth in growths:
                self._chunks(self._writer.write(growth))
        end = following.end
        if end is not None and session.isReady:
            self._chunks(self._writer.end(end.state, end.reason))
            session.tell("end", self.requestId)
            session.forget(self.requestId)

    def _chunks(self, chunks: list[dict[str, object]]) -> None:
        for chunk in chunks:
            number, self._sequence = self._sequence, self._sequence + 1
            self._session.tell("chunk", self.requestId, sequence=number, chunk=chunk)
