"""
A server with a model behind it, which answers as a test wants it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

FINISH, CUT, HANG = "finish", "cut", "hang"
"""How an answer ends: as it should, with the connection, or not at all."""


HOLD = "hold"
"""A piece of an answer that waits for L{ModelServer.release}."""

Piece = bytes | float | str


@dataclass(frozen=True)
class ModelAnswer:
    """
    An answer of the model.

    @ivar pieces: What it sends, one piece after the other; a number is a pause in seconds, and at
        L{HOLD} it waits.
    @ivar ending: L{FINISH}, L{CUT} or L{HANG}.
    """

    pieces: Sequence[Piece] = ()
    status: int = 200
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"content-type": "text/event-stream"}
    )
    ending: str = FINISH


@dataclass(frozen=True)
class Asked:
    """
    A request that came.
    """

    headers: Mapping[str, str]
    body: dict[str, Any]


def chunk(delta: Mapping[str, Any] | None = None, reason: str | None = None, **more: Any) -> bytes:
    """
    An event with a chunk of a completion.
    """
    choice = {"index": 0, "delta": delta or {}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def words(*texts: str, pause: float = 0.0) -> ModelAnswer:
    """
    A whole answer.

    @param pause: Seconds between two texts.
    """
    pieces: list[Piece] = []
    for text in texts:
        pieces += [chunk({"content": text}), pause]
    usage = {"prompt_tokens": 1, "completion_tokens": len(texts)}
    return ModelAnswer([*pieces, chunk(reason="stop", usage=usage), DONE])


class ModelServer(Resource):
    """
    Answers each request for a chat completion.  A request whose path ends in C{/release} calls
    L{release}.

    @ivar answers: The answers to come; the last one is given again and again.
    @ivar asked: The requests that have come.
    @ivar open: How many answers go on.
    """

    isLeaf = True

    def __init__(self, clock: IReactorTime, *answers: ModelAnswer) -> None:
        super().__init__()
        self._clock = clock
        self.answers = list(answers) or [words("Hello", " world")]
        self.asked: list[Asked] = []
        self.open = 0
        self._held: list[_Sending] = []

    def release(self) -> None:
        """
        Let the answers go on that wait.
        """
        held = tuple(self._held)
        self._held.clear()
        for sending in held:
            sending.go()

    def render(self, request: Request) -> int | bytes:
        if request.path.endswith(b"/release"):
            self.release()
            return b""
        headers = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        body = b"" if request.content is None else request.content.read()
        self.asked.append(Asked(headers, json.loads(body or b"{}")))
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        request.setResponseCode(answer.status)
        for name, value in answer.headers.items():
            request.setHeader(name, value)
        self.open += 1
        sending = _Sending(self._clock, request, answer, self._held)

        def left(_: Any) -> None:
            sending.stop()
            self.open -= 1

        request.notifyFinish().addBoth(left)
        sending.go()
        return NOT_DONE_YET


class _Sending:
    """
    Sends one answer.
    """

    def __init__(
        self, clock: IReactorTime, request: Request, answer: ModelAnswer, held: list[_Sending]
    ) -> None:
        """
        @param held: The answers that wait.
        """
        self._clock = clock
        self._held = held
        self._request = request
        self._pieces = list(answer.pieces)
        self._ending = answer.ending
        self._isOver = False
        self._pause: IDelayedCall | None = None

    def stop(self) -> None:
        """
        Send no more: the answer is out, or nobody reads it.
        """
        self._isOver = True
        if self._pause is not None and self._pause.active():
            self._pause.cancel()

    def go(self) -> None:
        """
        Send up to the next pause, or to the end.
        """
        while self._pieces and not self._isOver:
            piece = self._pieces.pop(0)
            if isinstance(piece, bytes):
                self._request.write(piece)
            elif isinstance(piece, str):
                self._held.append(self)
                return
            elif piece:
                self._pause = self._clock.callLater(piece, self.go)
                return
        if self._isOver or self._ending == HANG:
            return
        if self._ending == CUT:
            self._request.loseConnection()
        else:
            self._request.finish()
