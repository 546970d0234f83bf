"""
A daemon that folds one stream, for the tests of its publishers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aerostack.client.errors import ClientError
from aerostack.client.streams import Begin
from aerostack.core.answers.units import units


class Folding:
    """
    Takes the calls for one stream, as L{aerostack.client.streams.StreamCalls} makes them.

    @ivar text: The text of the part C{0}.
    @ivar said: What else was said, in order.
    @ivar refusals: Errors that the next calls get.
    @ivar left: How much text is left of a restart at the moment when the next end comes, UTF-16
        units; L{None} without a restart.
    """

    left: int | None = None

    def __init__(self) -> None:
        self.text = ""
        self.said: list[Any] = []
        self.appends = 0
        self.refusals: list[ClientError] = []

    def start(self, begin: Begin, producer: str) -> Any:
        """
        Begin the stream.
        """
        self.said.append(("start", begin.topic, begin.options("me")))
        return {"stream": "s", "epoch": 1, "length": {}, "lease": 3000, "topic": begin.topic}

    def append(self, stream: str, epoch: int, operations: Sequence[Mapping[str, Any]]) -> Any:
        """
        Fold.
        """
        self.appends += 1
        self._refuse()
        for each in operations:
            if each["part"] != "0":
                self.said.append(dict(each))
            elif each["at"] > units(self.text):
                length = {"0": units(self.text)}
                raise ClientError("stream_gap", "Go back.", None, {"length": length})
            else:
                encoded = self.text.encode("utf-16-le")[: 2 * each["at"]].decode("utf-16-le")
                if len(encoded + each["text"]) > len(self.text):
                    self.text = encoded + each["text"]
        return {"stream": stream, "epoch": epoch, "length": {"0": units(self.text)}}

    def end(self, stream: str, epoch: int, options: Mapping[str, Any]) -> Any:
        """
        End the stream, if the daemon has as much text as the publisher has written.
        """
        self._refuse()
        if self.left is not None:
            self.text, self.left = self.text[: self.left], None
        said = {name: options[name] for name in options if name not in ("length", "edition")}
        if options.get("length", {}).get("0", 0) > units(self.text):
            length = {"0": units(self.text)}
            raise ClientError("stream_gap", "Go back.", None, {"length": length})
        self.said.append(("end", said))
        return {"stream": stream, "state": options["state"], "kept": True}

    def beat(self, stream: str, epoch: int) -> Any:
        """
        Note a sign of life.
        """
        self._refuse()
        self.said.append("beat")
        return {}

    def _refuse(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)


TOO_LARGE = ClientError("too_large", "The value has too many bytes.")

REFUSED_END = ("end", {"state": "failed", "error": "The daemon refused a part of it: too_large."})
"""What a publisher says then.  It says no length: the daemon lacks what it has refused."""

ENDED = ClientError("stream_ended", "It was cancelled.", None, {"state": "cancelled", "by": "ann"})
