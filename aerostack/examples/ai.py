"""
An answer that many clients watch while it is being written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.errors import RealtimeError
from aerostack.examples.validation import Given, text

PAUSE = 0.05
"""Seconds between two tokens."""

TEXT = """\
You asked: “{question}”

I am no model, and I know nothing. The words that you read are written in \
aerostack/examples/ai.py, and come one by one, as a model's tokens do. In your application, this \
is where you ask yours: for each token that it gives, you emit an event, and every client that \
watches this topic gets it, in the same order, over the connection that is open anyway.

A page that is opened in the middle gets what was written so far, and reads on with the others. \
Ask again, from any page: all of them watch."""

_NAME = re.compile("[a-z0-9-]+")


@dataclass
class Answer:
    """
    An answer, as far as it is written.
    """

    id: str
    question: str
    tokens: list[str] = field(default_factory=list)
    done: bool = False


class Assistant:
    """
    Answers questions, one at a time on each topic.

    @cvar most: How many answers there are at the most, in all topics.
    """

    log = Logger()
    most = 20

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._answers: dict[str, Answer] = {}
        self._running: set[Deferred[None]] = set()

    async def look(self, sdk: Any, given: Given) -> Any:
        """
        Give the last answer on a topic, as far as it is written.
        """
        return {"answer": self._answers.get(_streamOf(given))}

    async def ask(self, sdk: Any, given: Given) -> Any:
        """
        Begin to answer a question.
        """
        name, question = _streamOf(given), text(given, "question", 200)
        if name in self._answers and not self._answers[name].done:
            raise RealtimeError("overloaded", "Wait for the end of the answer.", 1000)
        self._makeRoom()
        answer = self._answers[name] = Answer(uuid4().hex, question)
        running = Deferred.fromCoroutine(self._stream(sdk, f"ai/{name}", answer))
        self._running.add(running)
        running.addErrback(self._failed).addBoth(lambda _: self._running.discard(running))
        return {}

    # [stream]
    async def _stream(self, sdk: Any, topic: str, answer: Answer) -> None:
        try:
            await sdk.socket.emit("start", answer, topic)
            # Your model's tokens go here.
            for token in re.findall(r"\S+\s*", TEXT.format(question=answer.question)):
                await deferLater(self._clock, PAUSE)
                said = {"id": answer.id, "index": len(answer.tokens), "token": token}
                answer.tokens.append(token)
                await sdk.socket.emit("token", said, topic)
        finally:
            answer.done = True
        await sdk.socket.emit("end", {"id": answer.id}, topic)

    # [/stream]

    def _makeRoom(self) -> None:
        """
        Forget the oldest finished answer, if there are many.

        @raise RealtimeError: C{overloaded}: all answers are still being written.
        """
        if len(self._answers) < self.most:
            return
        old = next((name for name, each in self._answers.items() if each.done), None)
        if old is None:
            raise RealtimeError("overloaded", "Too many answers are being given.", 1000)
        del self._answers[old]

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self.log.failure("an answer failed", failure)

    def stop(self) -> None:
        """
        Stop all answers.
        """
        for running in tuple(self._running):
            running.cancel()


def _streamOf(given: Given) -> str:
    name = text(given, "stream", 40)
    if not _NAME.fullmatch(name):
        raise RealtimeError("invalid_arguments", "stream is made of a-z, 0-9 and -.")
    return name
