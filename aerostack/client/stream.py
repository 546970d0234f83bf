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
    readEnd,
    readGap,
)
from aerostack.client.errors import ClientError
from aerostack.client.streams import Begin, StreamCalls, endOptions


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
            nothing more, else with L{ClientError}; then the text goes out with the next call.
        @raise ValueError: The text has half a character in it, or C{reset} is no place between two
            characters of the part.
        """
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
        Tell of a call of a tool.

        @param call: The id of the call.
        @param value: C{input}, the whole arguments; later C{output} or C{error} too.
        @return: As L{write}.
        """
        self._draft.put(call, TOOL, {"name": name, **value})
        return self._flush()

    def data(self, id: str, name: str, value: Any) -> Deferred[None]:
        """
        Attach a value, instead of the one that had this id.

        @return: As L{write}.
        """
        self._draft.put(id, DATA, {"name": name, "value": value})
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
            return
        if error is None:
            await self.end()
        else:
            # The class says enough: the text of an exception may hold secrets.
            await self.fail(type(error).__name__).addErrback(_trapClient)

    # To the daemon

    def _flush(self) -> Deferred[None]:
        if self._over is not None:
            return fail(self._over)
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
        self._answer(failure if ended is None else Failure(ended))

    def _answer(self, failure: Failure | None) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(None) if failure is None else each.errback(failure)

    def _end(self, options: Mapping[str, Any]) -> Deferred[Any]:
        return self._endBehind(options).addErrback(self._notEnded)

    def _endBehind(self, options: Mapping[str, Any]) -> Deferred[Any]:
        """End it behind all text."""
        return self._flush().addCallback(self._ask, options)

    def _ask(self, _: None, options: Mapping[str, Any]) -> Deferred[Any]:
        """End it if the daemon still has all text."""
        question = self._draft.question()
        if not question:
            return self._endNow(None, options)
        self._isBusy = True
        asked = self._calls.append(self.id, self.epoch, question)
        return asked.addCallbacks(
            self._whole, self._lacking, callbackArgs=(options,), errbackArgs=(options,)
        )

    def _whole(self, _: Any, options: Mapping[str, Any]) -> Deferred[Any]:
        self._isBusy = False
        # The application may have written more.
        return self._endBehind(options) if self._draft.isPending else self._endNow(None, options)

    def _lacking(self, failure: Failure, options: Mapping[str, Any]) -> Any:
        self._failed(failure)
        return failure if readGap(failure.value) is None else self._endBehind(options)

    def _notEnded(self, failure: Failure) -> Failure:
        # The application may leave it at that; the lease ends the stream then.
        self._stopBeat()
        return _raiseEnd(failure)

    def _endNow(self, _: None, options: Mapping[str, Any]) -> Deferred[Any]:
        self._close(StreamEnded("stream_ended", "The stream was ended.", options["state"]))
        return self._calls.end(self.id, self.epoch, options).addErrback(_raiseEnd)

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


def _raiseEnd(failure: Failure) -> Failure:
    ended = _readEnd(failure)
    return failure if ended is None else Failure(ended)


def _readEnd(failure: Failure) -> StreamEnded | None:
    error = failure.value
    return readEnd(error) if isinstance(error, ClientError) else None


def _trapClient(failure: Failure) -> None:
    failure.trap(ClientError)


class AI:
    """
    Token streams.
    """

    def __init__(self, clock: IReactorTime, calls: StreamCalls[Deferred[Any]]) -> None:
        self._clock = clock
        self._calls = calls

    def start(self, topic: str, **options: Any) -> Deferred[Stream]:
        """
        Begin a stream.

        @param options: The fields of L{Begin}.
        @return: Fires with a L{Stream}.
        """
        asked: Deferred[Any] = self._calls.start(Begin(topic, **options), uuid4().hex)
        return asked.addCallback(lambda started: Stream(self._clock, self._calls, started))

    def relay(self, topic: str, request: Mapping[str, Any], **options: Any) -> Deferred[Any]:
        """
        Let the daemon ask a model, and stream the answer.

        @param request: What the model is asked: C{messages}, and what else the daemon allows.
        @param options: C{model}, C{stream}, C{owner}, C{cancel}, C{persist} and C{meta}.
        @return: Fires when the stream has begun.
        """
        # With an id a call that is repeated begins no second stream.
        return self._calls.relay(topic, request, {"stream": uuid4().hex, **options})

    def cancel(self, stream: str) -> Deferred[Any]:
        """
        Cancel a stream.

        @return: Fires when clients get nothing more of it.
        """
        return self._calls.cancel(stream)

    def get(self, stream: str) -> Deferred[Any]:
        """
        Read a stream, or what the history has kept of it.

        @return: Fires with C{stream}, C{topic}, C{state}, C{text}, C{parts} and more.
        """
        return self._calls.get(stream)
