"""
Token streams as frames (see L{aerostack.core.answers}).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from aerostack.core.answers.answer import IMPLICIT, Answer, End
from aerostack.core.answers.appended import Appended
from aerostack.core.answers.blockframes import BlockFrames
from aerostack.core.answers.part import DATA, REASONING, TEXT, TOOL, Block, Part
from aerostack.core.replay.publications import StreamMark
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.framing import Frame
from aerostack.protocol.serverframes import Event

START = "ai:start"
TOKEN = "ai:token"
DONE = "ai:done"

EVENTS: Mapping[str, str] = {
    TEXT: TOKEN,
    REASONING: "ai:reasoning",
    TOOL: "ai:tool",
    DATA: "ai:data",
}
"""The event of each kind of part."""


def textData(kind: str, part: str, text: str) -> dict[str, Any]:
    """
    The data of an event by which the text of a part grows.
    """
    return {"call": part, "args": text} if kind == TOOL else {"token": text}


def headOf(answer: Answer) -> bytes:
    """
    The data of the event with which a stream begins, as JSON.
    """
    terms = answer.terms
    return encodeValue(
        {
            "id": answer.id,
            "owner": terms.owner,
            "cancel": terms.cancel,
            "meta": Raw(terms.meta),
        }
    )


def valueData(kind: str, part: str, value: Mapping[str, bytes], before: bytes | None) -> bytes:
    """
    The data of an event that gives a part a value, as JSON.

    @param value: JSON by the names of fields.
    @param before: The data of the event before; L{None} for the first.  Of a tool's call, what
        C{value} does not say stays.
    """
    fields: dict[str, Any] = {"call" if kind == TOOL else "id": part}
    if kind == TOOL and before is not None:
        fields |= readFields(before) or {}
    fields |= {name: Raw(each) for name, each in value.items()}
    return encodeValue(fields)


def tokenOf(data: bytes) -> str | None:
    """
    The token in the data of an event that a server has emitted; L{None} if it has none.

    @param data: JSON.
    """
    try:
        return _tokens.decode(data).token
    except msgspec.ValidationError:
        return None


def doneData(answer: Answer, isKept: bool, stats: Mapping[str, Any]) -> bytes:
    """
    The data of the event with which a stream ends, as watchers get it, as JSON.

    @param isKept: Whether the history has kept it.
    """
    return encodeValue({**_endData(answer), "kept": isKept, "stats": stats})


def readEnd(state: str, data: bytes) -> End:
    """
    Read how a stream has ended.

    @param data: The data of its last event, JSON.  A server that emits the end may say anything in
        it.
    """
    fields = readFields(data) or {}
    reason, by = (_textOf(fields.get(name)) for name in ("reason", "by"))
    usage = fields.get("usage")
    return End(state, reason, by, None if usage in (None, b"null") else bytes(usage))


def _textOf(value: Raw | None) -> str | None:
    found = None if value is None else msgspec.json.decode(value)
    return found if isinstance(found, str) else None


def keptData(answer: Answer, emitted: bytes | None) -> bytes:
    """
    The data of the event with which a stream ends, as the history keeps it, as JSON.

    @param emitted: What a server has emitted at the end, JSON; L{None} for nothing.
    """
    fields = _endData(answer)
    fields |= {**textFields(answer), "metadata": Raw(answer.terms.meta)}
    fields |= {"owner": answer.terms.owner, "epoch": answer.epoch}
    own = None if emitted is None else readFields(emitted)
    return encodeValue({**fields, **(own or {})})


def readData(answer: Answer) -> bytes:
    """
    A stream as C{ai.get} gives it, as JSON.
    """
    ended = {} if answer.end is None else _endData(answer)
    return encodeValue(
        {
            "stream": answer.id,
            "topic": answer.topic,
            "state": answer.state,
            **textFields(answer),
            "epoch": answer.epoch,
            "owner": answer.terms.owner,
            "meta": Raw(answer.terms.meta),
            **{name: value for name, value in ended.items() if name != "id"},
        }
    )


def pastData(topic: str, mark: StreamMark, kept: bytes) -> bytes:
    """
    A stream that has ended long ago, in the form of L{readData}.

    @param mark: Its end.
    @param kept: The data that L{keptData} has made of it.  A server that ends its stream by an
        event may have put anything into it.
    """
    fields = readFields(kept) or {}
    text = _valueOf(fields, "text", str, "")
    parts = _valueOf(fields, "parts", list[dict[str, Raw]], None)
    if parts is None:
        parts = [{"part": IMPLICIT, "kind": TEXT, "text": text}] if text else []
    by = _valueOf(fields, "by", str, None)
    return encodeValue(
        {
            "stream": mark.stream,
            "topic": topic,
            "state": mark.state,
            "text": text,
            "parts": parts,
            "epoch": _valueOf(fields, "epoch", int, 1),
            "owner": _valueOf(fields, "owner", str, None),
            "meta": _valueOf(fields, "metadata", dict[str, Raw], {}),
            "reason": _valueOf(fields, "reason", str, None),
            **({} if by is None else {"by": by}),
            "usage": _valueOf(fields, "usage", dict[str, Raw], None),
        }
    )


def _valueOf(fields: Mapping[str, Raw], name: str, kind: Any, default: Any) -> Any:
    """A field, or what stands in for it if it is missing or of another type."""
    try:
        return msgspec.json.decode(fields[name], type=kind) if name in fields else default
    except msgspec.ValidationError:
        return default


def _endData(answer: Answer) -> dict[str, Any]:
    end = answer.end
    assert end is not None, "the stream has ended"
    fields: dict[str, Any] = {"id": answer.id, "state": end.state, "reason": end.reason}
    if end.by is not None:
        fields["by"] = end.by
    return {**fields, "usage": None if end.usage is None else Raw(end.usage)}


def textFields(answer: Answer) -> dict[str, Any]:
    """
    The text and the parts of a stream.
    """
    parts = answer.parts.values()
    return {
        "text": "".join(part.read(0, part.length) for part in parts if part.kind == TEXT),
        "parts": [_partData(part) for part in parts],
    }


def _partData(part: Part) -> dict[str, Any]:
    fields: dict[str, Any] = {"part": part.name, "kind": part.kind}
    if part.edition:
        fields["edition"] = part.edition
    if part.length:
        fields["args" if part.kind == TOOL else "text"] = part.read(0, part.length)
    return {**fields, **(readFields(part.value or b"{}") or {})}


def readFields(data: bytes) -> dict[str, Raw] | None:
    """
    Split a JSON object; L{None} for another value.
    """
    try:
        return _fields.decode(data)
    except msgspec.ValidationError:
        return None


class _Token(msgspec.Struct):
    token: str


_tokens = msgspec.json.Decoder(_Token)
_fields = msgspec.json.Decoder(dict[str, Raw])


def appendFrame(
    appended: Appended, at: int, text: str, position: str | None, isReset: bool = False
) -> Frame:
    """
    Make the frame of a text that a client lacks.

    @param appended: The newest text of the same part that the client lacks.
    @param at: Where the text begins, UTF-16 units.
    @param position: The place in the topic's log that the frame leads to; L{None} if another frame
        of the same place follows.
    @param isReset: Whether the text takes the place of other text that the client may have.
    """
    answer, part = appended.answer, appended.part
    event = Event(
        topic=answer.topic,
        event=EVENTS[part.kind],
        data=textData(part.kind, part.name, text),
        timestamp=appended.timestamp,
        stream=answer.id,
        part=part.name,
        at=at,
        reset=isReset or UNSET,
        pos=UNSET if position is None else position,
    )
    return wireFrame(event, answer.topic)


def snapshotFrames(
    answers: Sequence[Answer], position: str | None, kept: BlockFrames
) -> Iterator[Frame]:
    """
    Make the frames for a client that comes while answers run: what they are up to here.  Each is
    made when it is asked for.  Whole blocks of text are made once for all clients.

    @param position: The place in the topic's log that the frames lead to.  The last of them has it.
        L{None} if none has one.
    @param kept: The frames of whole blocks that were made before.
    """
    # What comes later is live.
    places = [
        (answer, [(part, part.shown, part.value) for part in answer.parts.values()])
        for answer in answers
    ]

    def events() -> Iterator[tuple[Answer, Callable[[], Event], Block | None]]:
        for answer, parts in places:
            if answer.isCut:
                continue
            yield answer, partial(_startEvent, answer), None
            for part, shown, value in parts:
                for start, end, block in part.spans(0, shown):
                    if answer.isCut:
                        break
                    yield answer, partial(_textEvent, answer, part, start, end), block
                if value is not None:
                    yield answer, partial(_event, answer, EVENTS[part.kind], Raw(value), part), None

    return _withPosition(events(), position, kept)


def _withPosition(
    events: Iterator[tuple[Answer, Callable[[], Event], Block | None]],
    position: str | None,
    kept: BlockFrames,
) -> Iterator[Frame]:
    # While a frame is being sent, the event behind it is not made: many clients may wait here.
    ahead = next(events, None)
    while ahead is not None:
        (answer, make, block), ahead = ahead, next(events, None)
        if answer.isCut:
            continue
        if ahead is None and position is not None:
            yield wireFrame(replace(make(), pos=position), answer.topic)
        elif block is None:
            yield wireFrame(make(), answer.topic)
        elif block.frame is None:
            frame = wireFrame(make(), answer.topic)
            kept.keep(block, frame)
            yield frame
        else:
            yield block.frame


def _startEvent(answer: Answer) -> Event:
    return _event(answer, START, Raw(answer.head or encodeValue({"id": answer.id})))


def _textEvent(answer: Answer, part: Part, start: int, end: int) -> Event:
    data = textData(part.kind, part.name, part.read(start, end))
    return _event(answer, EVENTS[part.kind], data, part, start)


def _event(
    answer: Answer, event: str, data: Any, part: Part | None = None, start: int | None = None
) -> Event:
    return Event(
        topic=answer.topic,
        event=event,
        data=data,
        timestamp=answer.began,
        stream=answer.id,
        part=UNSET if part is None else part.name,
        at=UNSET if start is None else start,
        reset=UNSET if start != 0 else True,
    )
