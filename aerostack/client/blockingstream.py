"""
Token streams that a server writes without waiting: a thread sends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Condition, Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Any
from uuid import uuid4

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
from aerostack.client.streams import (
    GIVEN_UP,
    StreamAccess,
    StreamCalls,
    beginning,
    endOptions,
    refusedEnd,
)

_WINDOW = 0.04
"""Seconds for which text gathers before it goes out."""

_PAUSES = (0.0, 0.5, 3.0, 10.0)
"""Seconds before each attempt to end a stream whose start was interrupted."""

_MOST = 1_048_576
"""How many characters may wait for the daemon; then L{BlockingStream.write} waits."""


class BlockingStream:
    """
    A stream of a topic, while a server writes it.  L{BlockingAI.stream} makes it.

    What is written goes out every 40 milliseconds, in a thread that ends with the stream.  Leaving
    the C{with} block ends the stream: as done, or as failed where an exception leaves it.

    @ivar id: Its id.
    """

    def __init__(self, calls: StreamCalls[Any], started: Mapping[str, Any]) -> None:
        """
        @param started: What the daemon has answered to the start.
        """
        self.id: str = started["stream"]
        self._epoch: int = started["epoch"]
        self._lease: float = started["lease"] / 1000
        self._calls = calls
        self._draft = Draft()
        self._changed = Condition()
        self._isEnding = False
        self._isEnded = False
        self._error: ClientError | None = None
        # A daemon: a program that forgets to end its stream can end itself.  The lease then ends
        # the stream.
        self._thread = Thread(target=self._run, name=f"aerostack stream {self.id}", daemon=True)
        self._thread.start()

    def write(self, text: str, part: str = "0", kind: str = TEXT, reset: int | None = None) -> None:
        """
        Add text.  It waits only where more than a million characters wait for the daemon.

        @param part: The id of the part that grows.
        @param kind: C{text}, C{reasoning} or C{tool}: for a tool the text is a piece of its
            arguments.
        @param reset: Take back first what was written of the part behind this place, UTF-16 units;
            L{None} to take back nothing.
        @raise StreamEnded: The stream takes nothing more.
        @raise ClientError: The daemon could not be reached for as long as a call may take, or it
            refused a part, such as a value that is too large.  Then the stream ends as failed.
        @raise TypeError: The text is no C{str}; of L{tool} and L{data}: the value is not JSON.
        @raise ValueError: The text has half a character in it, or C{reset} is no place between two
            characters of the part.
        """
        with self._changed:
            self._check()
            self._draft.write(part, kind, text, reset)
            self._changed.notify_all()
            while self._draft.waiting > _MOST:
                self._changed.wait()
                self._check()

    def reason(self, text: str, part: str = "reasoning") -> None:
        """
        Add text of the model's reasoning, which is no part of the answer's text.  See L{write}.
        """
        self.write(text, part, REASONING)

    def tool(self, call: str, name: str, **value: Any) -> None:
        """
        Show clients that the model calls a tool.  See L{write}.

        @param call: The id of the call.
        @param value: C{input}, the whole arguments; later C{output} or C{error} too.
        """
        self._put(call, TOOL, {"name": name, **value})

    def data(self, id: str, name: str, value: Any) -> None:
        """
        Attach a value, instead of the one that had this id.  See L{write}.
        """
        self._put(id, DATA, {"name": name, "value": value})

    def _put(self, part: str, kind: str, value: Any) -> None:
        with self._changed:
            self._check()
            self._draft.put(part, kind, value)
            self._changed.notify_all()

    def end(self, usage: Mapping[str, Any] | None = None) -> Any:
        """
        Send the rest, and end it.

        @param usage: What the answer has used, such as numbers of tokens.
        @return: C{stream}, C{state} and C{kept}.
        @raise StreamEnded: The stream takes nothing more.
        @raise ClientError: The daemon could not be reached for as long as a call may take.
        """
        return self._end(endOptions("done", usage=usage))

    def fail(self, error: str) -> Any:
        """
        Send the rest, and end it, because it has failed.

        @param error: The reason, which clients get.
        @return: As L{end}.
        """
        return self._end(endOptions("failed", error))

    def __enter__(self) -> BlockingStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._isEnded:
            return
        if error is None:
            self.end()
            return
        try:
            # The class says enough: the text of an exception may hold secrets.
            self.fail(type(error).__name__)
        except ClientError:
            # The exception that leaves the block says more; the lease ends the stream.
            return

    def _end(self, options: Mapping[str, Any]) -> Any:
        with self._changed:
            self._check()
            self._isEnding = self._isEnded = True
            self._changed.notify_all()
        self._thread.join()
        if self._error is not None:
            raise self._error
        try:
            while True:
                try:
                    return self._calls.end(self.id, self._epoch, {**options, **self._draft.whole})
                except ClientError as error:
                    if not self._rewind(error) or not self._draft.isPending:
                        raise
                while self._draft.isPending:
                    self._append(self._draft.take())
        except ClientError as error:
            raise readEnd(error) or error from None

    def _check(self) -> None:
        """Raise what has ended the stream."""
        if self._error is not None:
            self._isEnded = True
            raise self._error
        if self._isEnded:
            raise StreamEnded("stream_ended", "The stream was ended.", "done")

    # The thread

    def _run(self) -> None:
        try:
            while self._next():
                pass
        except ClientError as error:
            with self._changed:
                self._error = readEnd(error) or error
                self._changed.notify_all()
            if isRefused(error):
                self._endRefused(error)

    def _endRefused(self, error: ClientError) -> None:
        """End the stream, of which the daemon refuses a part."""
        try:
            self._calls.end(self.id, self._epoch, refusedEnd(error))
        except ClientError:
            # The application gets the refusal.  The lease ends the stream.
            return

    def _next(self) -> bool:
        """Send what is due; whether there may be more."""
        with self._changed:
            until = monotonic() + self._lease / 3
            while not self._draft.isPending and not self._isEnding:
                left = until - monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            if self._draft.isPending and self._draft.hasFlown:
                # More comes in a moment, most likely.  The first text does not wait for it.
                self._changed.wait_for(lambda: self._isEnding, _WINDOW)
            operations = self._draft.take() if self._draft.isPending else []
            isLast = self._isEnding and not operations
        if operations:
            self._append(operations)
        elif not isLast:
            self._sendBeat()
        return not isLast

    def _sendBeat(self) -> None:
        try:
            self._calls.beat(self.id, self._epoch)
        except ClientError as error:
            # The daemon may be back for the next text, or for the next beat.
            if readEnd(error) is not None:
                raise

    def _append(self, operations: list[dict[str, Any]]) -> None:
        """Send operations."""
        try:
            self._calls.append(self.id, self._epoch, operations)
        except ClientError as error:
            if not self._rewind(error):
                raise
            return
        with self._changed:
            self._draft.taken()
            self._changed.notify_all()

    def _rewind(self, error: ClientError) -> bool:
        """Go back to what the daemon has, if it was restarted and has lost the newest text."""
        held = readGap(error)
        if held is not None:
            with self._changed:
                self._draft.rewind(held)
        return held is not None


class BlockingAI(StreamAccess[Any]):
    """
    Token streams.
    """

    def stream(self, topic: str, **options: Any) -> BlockingStream:
        """
        Begin a stream::

            with sdk.ai.stream("ai-chat/7") as stream:
                for token in tokens:
                    stream.write(token)

        @param options: The fields of L{aerostack.client.streams.Begin}.
        """
        begin = beginning(topic, options)
        # Where the stream begins with an id of its own, its first producer has the epoch 1.
        own = None if options.get("stream") is not None else (begin.stream, 1)
        try:
            started = self._calls.start(begin, uuid4().hex)
            own = started["stream"], started["epoch"]
            return BlockingStream(self._calls, started)
        except (ClientError, TypeError, ValueError):
            # The daemon, or the client, refuses it.
            raise
        except BaseException:
            # A signal, or the time limit of a task queue.  The daemon may have begun the stream.
            if own is not None:
                Thread(target=self._giveUp, args=own, daemon=True).start()
            raise

    def _giveUp(self, stream: str, epoch: int) -> None:
        """End a stream, if it has begun."""
        for pause in _PAUSES:
            sleep(pause)
            try:
                self._calls.end(stream, epoch, endOptions("failed", GIVEN_UP))
            except ClientError as error:
                if error.code == "stream_unknown":
                    # The daemon may deal with the start later than with this end.
                    continue
            # It has ended; or else its lease ends it.
            return
