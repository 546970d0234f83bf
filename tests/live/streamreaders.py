"""
A daemon with a model, and clients that read token streams over HTTP.
"""

from __future__ import annotations

import json
from typing import Any

import treq
from twisted.web.client import Agent

from aerostack.protocol.sse import EventReader, ServerSentEvent
from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import PUBLIC_KEY, TOKEN_SECRET, makeProject
from tests.live.daemon import ORIGIN
from tests.live.models import GATEWAY, HELLO, ModelTests
from tests.live.wire import Wire

STREAMS = "/api/v1/public/realtime/streams"
TOPIC = "ai-chat/7"


class Reader:
    """
    Reads an answer that is a stream of events.

    @ivar events: The events that came.
    """

    def __init__(self, response: Any) -> None:
        self.response = response
        self.events: list[ServerSentEvent] = []
        self._reader = EventReader()
        self.done = treq.collect(response, self._take)

    def _take(self, data: bytes) -> None:
        self.events += self._reader.feed(data)

    def drop(self) -> None:
        """
        Break the connection.
        """
        self.done.addErrback(lambda _: None)
        self.response.original._transport.loseConnection()

    @property
    def values(self) -> list[Any]:
        """
        The data of the events, but for the last one of OpenAI's.
        """
        return [json.loads(event.data) for event in self.events if event.data != "[DONE]"]

    @property
    def text(self) -> str:
        """
        The tokens of the stream's own events.
        """
        tokens = [event for event in self.events if event.event == "ai:token"]
        return "".join(json.loads(event.data)["token"] for event in tokens)

    @property
    def place(self) -> str:
        """
        The last id, as a browser sends it when it comes back.
        """
        return self.events[-1].id if self.events else ""


class StreamReaderTests(ModelTests):
    """
    Lets clients ask the model, and read what it answers.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            "p": makeProject(
                origins=(ORIGIN,),
                models=("default",),
                jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET),
            ),
            "bare": makeProject(id="bare", publicKey="pk_of_bare_89abcdef", secretKey=None),
        }

    async def open(
        self, method: str, path: str, body: Any = None, key: str = PUBLIC_KEY, **headers: str
    ) -> Any:
        """
        Begin to read an answer.
        """
        response = await treq.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {key}",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
            agent=Agent(self.reactor, pool=self.pool),
            unbuffered=True,
        )
        return response

    async def ask(self, stream: bool = True, key: str = PUBLIC_KEY) -> Any:
        """
        Ask the model through the gateway, for all subscribers of the topic.
        """
        body = {"messages": HELLO, "stream": stream, "stream_options": {"include_usage": True}}
        return await self.open("POST", GATEWAY, body, key, X_Aerostack_Topic=TOPIC)

    async def events(self, stream: str, **headers: str) -> Reader:
        """
        Watch a stream.
        """
        path = f"{STREAMS}/{stream}"
        return Reader(await self.open("GET", path, Accept="text/event-stream", **headers))

    async def heard(self, wire: Wire) -> tuple[str, dict[str, Any]]:
        """
        Read frames until the stream has ended.

        @return: The text by plain concatenation, and the data of the end.
        """
        text = ""
        while True:
            frame = await wire.frame()
            if frame.get("event") == "ai:token":
                text += frame["data"]["token"]
            if frame.get("event") == "ai:done":
                return text, frame["data"]
