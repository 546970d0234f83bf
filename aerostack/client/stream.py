"""
Token streams that a server on Twisted writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from aerostack.client.draft import (
    DATA,
    REASONING,
    TEXT,
    TOOL,
    Draft,
    StreamEnded,
    isRefused,
    readEnd,
    readGap,
)
from aerostack.client.errors import ClientError
from aerostack.client.pending import Pending
from aerostack.client.streams import (
    GIVEN_UP,
    Begin,
    StreamAccess,
    StreamCalls,
    beginning,
    endOptions,
    refusedEnd,
)


class Stream:
    """
    A stream of a topic, while a server writes it.  L{AI.start} makes it.

    One request is under way at a time.  What is written meanwhile goes out with the next one.

    @ivar id: Its id.
    @ivar epoch: The number of this publisher of the stream.
    """

    def __init__(
        self, clock: IReactorTime, calls: StreamCalls[Deferred[Any]], started: Any
    ) -> None:
        """
        @param started: What the daemon has answered to the start.
        """
        self.id: str = started["stream"]
        self.epoch: int = started["epoch"]
        self._clock = clock
        self._calls = calls
        self._lease: float = started["lease"] / 1000
        self._draft = Draft()
        self._isBusy = False
        self._over: ClientError | None = None
        # Those that wait until everything that was written is with the daemon.
        self._waiting: list[Deferred[None]] = []
        self._beat: IDelayedCall | None = None
        self._rest()

    @property
    def isOver(self) -> bool:
        """Whether it takes nothing more."""
        return self._over is not None

    @property
    def refusal(self) -> ClientError | None:
        """
        The error with which the daemon refused a part, such as a value that is too large, so that
        the stream ended as failed; L{None} if it did not.
        """
        return self._over if isRefused(self._over) else None

    @property
    def waiting(self) -> int:
        """How many characters the daemon does not have yet."""
        return self._draft.waiting

    # From the application

    def write(
        self, text: str, part: str = "0", kind: str = TEXT, reset: int | None = None
    ) -> Deferred[None]:
        """
        Add text.

        @param part: The id of the part that grows.
        @param kind: C{text}, C{reasoning} or C{tool}: for a tool the text is a piece of its
            arguments.
        @param reset: Take back first what was written of the part behind this place, UTF-16 units;
            L{None} to take back nothing.
        @return: Fires when the daemon has it.  Fails with L{StreamEnded} when the stream takes
            nothing more.  Fails with L{ClientError} when the daemon cannot be reached; then the
            text goes out with the next call.  It fails so too when the daemon refuses a part; see
            L{refusal}.
        @raise TypeError: The text is no C{str}; of L{tool} and L{data}: the value is not JSON.
        @raise ValueError: The text has half a character in it, or C{reset} is no place between two
            characters of the part.
        """
        if self._over is None:
            self._draft.write(part, kind, text, reset)
        return self._flush()

    def reason(self, text: str, part: str = "reasoning") -> Deferred[None]:
        """
        Add text of the model's reasoning, which is no part of the answer's text.

        @return: As L{write}.
        """
        return self.write(text, part, REASONING)

    def tool(self, call: str, name: str, **value: Any) -> Deferred[None]:
        """
        Show clients that the model calls a tool.

        @param call: The id of the call.
        @param value: C{input}, the whole arguments; later C{output} or C{error} too.
        @return: As L{write}.
        """
        return self.put(call, TOOL, {"name": name, **value})

    def data(self, id: str, name: str, value: Any) -> Deferred[None]:
        """
        Attach a value, instead of the one that had this id.

        @return: As L{write}.
        """
        return self.put(id, DATA, {"name": name, "value": value})

    def put(self, part: str, kind: str, value: Any) -> Deferred[None]:
        """
        Give a part a value, instead of the value before; see L{tool} and L{data}.

        @return: As L{write}.
        """
        if self._over is None:
            self._draft.put(part, kind, value)
        return self._flush()

    def end(self, usage: Mapping[str, Any] | None = None) -> Deferred[Any]:
        """
        End it.

        @param usage: What the answer has used, such as numbers of tokens.
        @return: Fires with C{stream}, C{state} and C{kept} when the history has it, if it is kept.
            Fails as L{write}.
        """
        return self._end(endOptions("done", usage=usage))

    def fail(self, error: str) -> Deferred[Any]:
        """
        End it, because it has failed.

        @param error: The reason, which clients get.
        @return: As L{end}.
        """
        return self._end(endOptions("failed", error))

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._over is not None:
            if error is None and self.refusal is not None:
                raise self.refusal
            return
        if error is None:
            await self.end()
        else:
            # The class says enough: the text of an exception may hold secrets.
            await self.fail(type(error).__name__).addErrback(_trapClient)

    # To the daemon

    def _flush(self) -> Deferred[None]:
        return self._deliver() if self._over is None else fail(self._over)

    def _deliver(self) -> Deferred[None]:
        """Send what the daemon lacks."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._send()
        return waiting

    def _send(self) -> None:
        if self._isBusy:
            return
        if not self._draft.isPending:
            self._answer(None)
            return
        self._isBusy = True
        self._rest()
        asked = self._calls.append(self.id, self.epoch, self._draft.take())
        asked.addCallbacks(self._taken, self._failed)

    def _taken(self, _: Any) -> None:
        self._isBusy = False
        self._draft.taken()
        self._send()

    def _failed(self, failure: Failure) -> None:
        self._isBusy = False
        self._draft.again()
        held = readGap(failure.value)
        if held is not None:
            # The daemon was restarted, and has lost the newest text.
            self._draft.rewind(held)
            self._send()
            return
        ended = _readEnd(failure)
        if ended is not None:
            self._close(ended)
        elif isRefused(failure.value):
            self._close(failure.value)
            ending = self._calls.end(self.id, self.epoch, refusedEnd(failure.value))
            # If the daemon does not get it, the lease ends the stream.
            ending.addErrback(_trapClient)
        self._answer(failure if ended is None else Failure(ended))

    def _answer(self, failure: Failure | None) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None) if failure is None else each.errback(failure)

    def _end(self, options: Mapping[str, Any]) -> Deferred[Any]:
        return self._flush().addCallback(self._endNow, options).addErrback(self._notEnded)

    def _endNow(self, _: None, options: Mapping[str, Any]) -> Deferred[Any]:
        self._close(StreamEnded("stream_ended", "The stream was ended.", options["state"]))
        asked = self._calls.end(self.id, self.epoch, {**options, **self._draft.whole})
        return asked.addErrback(self._lacking, options)

    def _lacking(self, failure: Failure, options: Mapping[str, Any]) -> Any:
        held = readGap(failure.value)
        if held is None:
            return failure
        # The daemon was restarted since it took all text.
        self._draft.rewind(held)
        if not self._draft.isPending:
            return failure
        return self._deliver().addCallback(self._endNow, options)

    def _notEnded(self, failure: Failure) -> Failure:
        # The application may leave it at that; the lease ends the stream then.
        self._stopBeat()
        ended = _readEnd(failure)
        if self.refusal is None:
            self._over = ended
        return failure if ended is None else Failure(ended)

    def _close(self, over: ClientError) -> None:
        self._over = over
        self._stopBeat()

    # Signs of life

    def _rest(self) -> None:
        """Say something when a third of the lease has passed without a request."""
        self._stopBeat()
        self._beat = self._clock.callLater(self._lease / 3, self._sendBeat)

    def _stopBeat(self) -> None:
        beat, self._beat = self._beat, None
        if beat is not None and beat.active():
            beat.cancel()

    def _sendBeat(self) -> None:
        self._rest()
        self._calls.beat(self.id, self.epoch).addErrback(self._beatFailed)

    def _beatFailed(self, failure: Failure) -> None:
        ended = _readEnd(failure)
        # Other errors pass: the next write, or the next beat, tries again.
        if ended is not None and self._over is None:
            self._close(ended)


def _readEnd(failure: Failure) -> StreamEnded | None:
    error = failure.value
    return readEnd(error) if isinstance(error, ClientError) else None


def _trapClient(failure: Failure) -> None:
    failure.trap(ClientError)


class Beginning:
    """
    A stream that is about to begin.

    @ivar begun: Fires with the L{Stream}.  If it is cancelled, the stream ends as soon as it has
        begun: the daemon may have begun it by then.
    @ivar settled: Fires when nothing more is to be done: the application has the stream, or the
        stream has not begun, or has ended.
    """

    def __init__(
        self, clock: IReactorTime, calls: StreamCalls[Deferred[Any]], begin: Begin
    ) -> None:
        self.begun: Deferred[Stream] = Pending()
        self._clock = clock
        self._calls = calls
        self._stream: Stream | None = None
        asked = calls.start(begin, uuid4().hex)
        self.settled: Deferred[Any] = asked.addCallbacks(self._started, self._failed)

    def giveUp(self) -> None:
        """
        Let it end as failed, although the application may have it already.
        """
        self.begun.cancel()
        if self._stream is not None:
            self.settled = self._stream.fail(GIVEN_UP).addErrback(_trapClient)

    def _started(self, started: Mapping[str, Any]) -> Any:
        if not self.begun.called:
            self._stream = Stream(self._clock, self._calls, started)
            self.begun.callback(self._stream)
            return None
        failed = endOptions("failed", GIVEN_UP)
        ended = self._calls.end(started["stream"], started["epoch"], failed)
        # If the daemon does not get it, the lease ends the stream.
        return ended.addErrback(_trapClient)

    def _failed(self, failure: Failure) -> None:
        if self.begun.called:
            failure.trap(ClientError)
        else:
            self.begun.errback(failure)


class AI(StreamAccess[Deferred[Any]]):
    """
    Token streams.
    """

    def __init__(self, clock: IReactorTime, calls: StreamCalls[Deferred[Any]]) -> None:
        super().__init__(calls)
        self._clock = clock

    def start(self, topic: str, **options: Any) -> Deferred[Stream]:
        """
        Begin a stream.

        @param options: The fields of L{Begin}.
        @return: Fires with a L{Stream}.  If it is cancelled, the stream ends as failed.
        """
        return self.begin(topic, **options).begun

    def begin(self, topic: str, **options: Any) -> Beginning:
        """
        Begin a stream, as L{start}.
        """
        return Beginning(self._clock, self._calls, beginning(topic, options))
