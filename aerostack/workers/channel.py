"""
Carries messages between the hub and a worker, in both directions and in order.

What one turn of the reactor has for the other end is gathered, and goes with one system call.  A
peer that sends very much gets only a part of each turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Raw, Struct
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.delivery.lateness import unanswered
from aerostack.errors import RealtimeError
from aerostack.workers.frames import Answer, Codec, FrameError, FrameReader, Question, Refusal
from aerostack.workers.pipe import PipeEnd

BUDGET = 0.01
"""Seconds of a turn for the messages of one peer."""

MAX_WAITING = 1_048_576
"""How many unread bytes there may be before L{Channel.whenDrained} lets a producer wait."""

MAX_UNREAD = 67_108_864
"""How many unread bytes end the channel."""

MAX_GATHERED = 65_536
"""How many bytes of a turn are gathered before they are written; it bounds what is copied."""

MAX_QUESTIONS = 16_384
"""How many questions of the peer may wait for their answers.  More are refused."""


class ChannelLost(Exception):
    """
    The channel ended before the answer came.
    """


class Overrun(Exception):
    """
    The peer has left too many bytes unread.
    """


class Receiver(Protocol):
    """
    Takes what comes over a channel.
    """

    def received(self, message: Any) -> None:
        """Take a message."""

    def asked(self, question: Any) -> Any:
        """
        Answer a question.

        @return: The answer, a message; or a L{Deferred} of it.
        @raise RealtimeError: The asker gets the same error.  For any other exception it gets
            C{internal_error}, and the log here has the exception.
        """

    def lost(self, reason: Failure) -> None:
        """The channel has ended.  Nothing comes after this."""


class Channel:
    """
    One end of a channel.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        pipe: PipeEnd,
        codec: Codec,
        receiver: Receiver,
        budget: float = BUDGET,
        seconds: Callable[[], float] = time.perf_counter,
    ) -> None:
        """
        @param pipe: Connected to the other end, and not used before.
        @param codec: Knows all kinds of messages that go either way.
        @param budget: Seconds of a turn for the peer's messages.
        @param seconds: A clock, by which C{budget} is measured.
        """
        self._reactor = reactor
        self._codec = codec
        self._receiver = receiver
        self._budget = budget
        self._seconds = seconds
        self._reader = FrameReader(codec)
        self._pipe = pipe
        pipe.user = self
        # What this turn has for the peer.
        self._gathered: list[bytes] = []
        self._size = 0
        self._scheduled = False
        self._lost = False
        # Our questions by their numbers, and how many questions of the peer wait for answers.
        self._asked: dict[int, Deferred[Any]] = {}
        self._number = 0
        self._answering = 0
        # Producers that wait for the peer to read.
        self._patient: list[Deferred[None]] = []

    @property
    def unread(self) -> int:
        """How many bytes the peer has not taken, without what the system holds for it."""
        return self._size + len(self._pipe.waiting)

    def start(self) -> None:
        """
        Begin to receive.
        """
        self._pipe.resume()

    def close(self) -> None:
        """
        End the channel.  What has not been written is dropped; L{Receiver.lost} follows.
        """
        self._pipe.abort(ChannelLost("the channel was closed at this end"))

    def send(self, message: Struct) -> None:
        """
        Send a message.  Once the channel has ended, this does nothing.

        @raise TypeError: See L{Codec.encode}.
        @raise FrameError: See L{Codec.encode}.
        """
        self.sendFrame(self._codec.encode(message))

    def sendFrame(self, frame: bytes) -> None:
        """
        Send a message that is encoded, perhaps for several channels, by L{Codec.encode}.
        """
        if self._lost:
            return
        self._gathered.append(frame)
        self._size += len(frame)
        if self._size >= MAX_GATHERED:
            self._flush()
        elif not self._scheduled:
            self._scheduled = True
            self._reactor.callLater(0, self._endTurn)

    def ask(self, question: Struct, timeout: float | None) -> Deferred[Any]:
        """
        Send a question.

        @param timeout: Seconds after which the answer is not awaited any more; L{None} to wait
            until the answer comes or the channel ends.
        @return: Fires with the answer, a message.  Fails with the peer's L{RealtimeError}, with
            L{ChannelLost}, or with L{twisted.internet.defer.TimeoutError}.
        @raise TypeError: See L{Codec.encode}.
        @raise FrameError: See L{Codec.encode}.
        """
        if self._lost:
            return fail(ChannelLost("the other process is gone"))
        body = Raw(self._codec.encodeBody(question))
        self._number = number = self._number + 1
        self.send(Question(number, body))

        def forget(_: Deferred[Any]) -> None:
            del self._asked[number]

        answer: Deferred[Any] = Deferred(forget)
        self._asked[number] = answer
        return answer if timeout is None else answer.addTimeout(timeout, self._reactor, unanswered)

    def whenDrained(self) -> Deferred[None] | None:
        """
        Ask when the peer has read enough for more, for a caller that can wait.

        @return: L{None} if it has now, else a L{Deferred} that fires when it has, or when the
            channel has ended.
        """
        if self._lost or self.unread <= MAX_WAITING:
            return None
        patient: Deferred[None] = Deferred()
        self._patient.append(patient)
        return patient

    def _endTurn(self) -> None:
        self._scheduled = False
        self._flush()

    def _flush(self) -> None:
        if self._gathered and not self._lost:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._size = 0
            self._pipe.write(data)
            if len(self._pipe.waiting) > MAX_UNREAD:
                self._pipe.abort(Overrun(f"the other process left {self.unread} bytes unread"))

    def _letProduce(self) -> None:
        if self._lost or self.unread <= MAX_WAITING:
            patient, self._patient = self._patient, []
            for each in patient:
                each.callback(None)

    # PipeUser

    def received(self, data: bytes) -> None:
        self._reader.feed(data)
        if not self._take():
            self._pipe.pause()
            self._reactor.callLater(0, self._goOn)

    def written(self) -> None:
        if self._patient:
            self._letProduce()

    def lost(self, reason: Failure) -> None:
        self._lost = True
        self._gathered.clear()
        self._size = 0
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            answer.errback(ChannelLost("the other process is gone"))
        self._letProduce()
        self._receiver.lost(reason)

    # What has come

    def _goOn(self) -> None:
        if self._lost:
            return
        if self._take():
            self._pipe.resume()
        else:
            self._reactor.callLater(0, self._goOn)

    def _take(self) -> bool:
        """
        Take messages, as many as this turn allows.

        @return: Whether no whole message is left.
        """
        until = self._seconds() + self._budget
        try:
            while (message := self._reader.take()) is not None:
                self._handle(message)
                if self._seconds() >= until:
                    return False
        except FrameError as error:
            self._pipe.abort(error)
        return True

    def _handle(self, message: Any) -> None:
        kind = type(message)
        if kind is Question:
            self._answer(message.number, self._codec.decodeBody(message.body))
        elif kind is Answer:
            answer = self._codec.decodeBody(message.body)
            # The asker may have stopped waiting.
            if asker := self._asked.pop(message.number, None):
                asker.callback(answer)
        elif kind is Refusal:
            if asker := self._asked.pop(message.number, None):
                asker.errback(
                    RealtimeError(
                        message.code, message.message, message.retryAfter, message.details
                    )
                )
        else:
            try:
                self._receiver.received(message)
            except Exception:
                # The messages behind it must still be handled.
                self._log.failure("a {kind} could not be handled", Failure(), kind=kind.__name__)

    # Questions of the peer

    def _answer(self, number: int, question: Any) -> None:
        if self._answering >= MAX_QUESTIONS:
            self.send(Refusal(number, "overloaded", "The daemon has too much work.", 1000))
            return
        try:
            answered = self._receiver.asked(question)
            if not isinstance(answered, Deferred):
                self.send(self._wrap(answered, number))
                return
        except Exception:
            # The asker waits for an answer; the log has an error that is no answer.
            self.send(self._refuse(Failure(), number, question))
            return
        self._answering += 1
        answered.addCallback(self._wrap, number)
        answered.addErrback(self._refuse, number, question)
        answered.addCallback(self._sendAnswer)

    def _wrap(self, answer: Struct, number: int) -> Answer:
        return Answer(number, Raw(self._codec.encodeBody(answer)))

    def _refuse(self, failure: Failure, number: int, question: Any) -> Refusal:
        error = failure.value
        if isinstance(error, RealtimeError):
            return Refusal(number, error.code, error.message, error.retryAfter, error.details)
        if isinstance(error, FrameError):
            return Refusal(number, "too_large", f"The answer cannot be sent: {error}.", None)
        self._log.failure("a {kind} could not be answered", failure, kind=type(question).__name__)
        return Refusal(
            number, "internal_error", "The daemon failed. Its log has the details.", None
        )

    def _sendAnswer(self, answer: Answer | Refusal) -> None:
        self._answering -= 1
        self.send(answer)
