"""
An answer that many clients watch while it is being written.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.client.draft import StreamEnded
from aerostack.errors import RealtimeError
from aerostack.examples.validation import Given, text

PAUSE = 0.05
"""Seconds between two tokens."""

TEXT = """\
You asked: “{question}”

I am no model, and I know nothing. The words that you read are written in \
aerostack/examples/ai.py, and come one by one, as a model's tokens do. In your application, this \
is where you ask yours: you write each token that it gives to a stream, and every client that \
watches this topic gets it, in the same order, over the connection that is open anyway.

A page that is opened in the middle gets what was written so far, and reads on with the others. \
Ask again, from any page: all of them watch."""

_NAME = re.compile("[a-z0-9-]+")


class Assistant:
    """
    Answers questions, one at a time on each topic.

    @cvar most: How many answers are being written at the most, on all topics.
    """

    log = Logger()
    most = 20

    def __init__(self, clock: IReactorTime, model: str | None) -> None:
        """
        @param model: The model that the daemon asks; L{None} to write the example's own words.
        """
        self._clock = clock
        self._model = model
        self._running: dict[str, Deferred[None]] = {}

    async def ask(self, sdk: Any, given: Given) -> Any:
        """
        Begin to answer a question.
        """
        name, question = _streamOf(given), text(given, "question", 200)
        topic = f"ai/{name}"
        if self._model is not None:
            messages = [{"role": "user", "content": question}]
            # Any user who may publish on the topic may stop it.
            options = {"model": self._model, "cancel": "publishers"}
            return await sdk.ai.relay(topic, {"messages": messages}, **options)
        if topic in self._running:
            raise RealtimeError("overloaded", "Wait for the end of the answer, or stop it.", 1000)
        if len(self._running) >= self.most:
            raise RealtimeError("overloaded", "Too many answers are being given.", 1000)
        running = Deferred.fromCoroutine(self._stream(sdk, topic, question))
        self._running[topic] = running
        running.addErrback(self._failed).addBoth(lambda _: self._running.pop(topic))
        return {}

    # [stream]
    async def _stream(self, sdk: Any, topic: str, question: str) -> None:
        async with await sdk.ai.start(topic, cancel="publishers", lease=5) as stream:
            # Your model's tokens go here.
            for token in re.findall(r"\S+\s*", TEXT.format(question=question)):
                await deferLater(self._clock, PAUSE)
                await stream.write(token)

    # [/stream]

    def _failed(self, failure: Failure) -> None:
        # A user has stopped it, or the daemon stops.
        if failure.check(StreamEnded, CancelledError) is None:
            self.log.failure("an answer failed", failure)

    def stop(self) -> None:
        """
        Stop all answers.
        """
        for running in tuple(self._running.values()):
            running.cancel()


def _streamOf(given: Given) -> str:
    name = text(given, "stream", 40)
    if not _NAME.fullmatch(name):
        raise RealtimeError("invalid_arguments", "stream is made of a-z, 0-9 and -.")
    return name
