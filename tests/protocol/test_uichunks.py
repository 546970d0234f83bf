"""
Tests for L{aerostack.protocol.uichunks}.

The tests with the AI SDK itself are in C{tests/web}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.growth import DATA, REASONING, TEXT, TOOL, Grown, Growth, Valued
from aerostack.protocol.uichunks import ABORTED, CANCELLED, DONE, FAILED, ChunkWriter


class Reader:
    """
    A model of the AI SDK: it keeps the parts of a message, and refuses chunks that it would refuse.

    @ivar parts: The texts and the tools, by id.
    @ivar others: All other parts.
    """

    def __init__(self) -> None:
        self.parts: dict[str, Any] = {}
        self.others: list[Any] = []
        self.open: set[str] = set()

    def read(self, chunk: dict[str, Any]) -> None:
        kind, _, rest = chunk["type"].partition("-")
        if kind in ("text", "reasoning"):
            self._text(kind, rest, chunk)
        elif kind == "tool":
            self._tool(rest, chunk)
        elif kind == "data" or chunk["type"] in ("source-url", "source-document", "file"):
            self.others.append(chunk)

    def _text(self, kind: str, what: str, chunk: dict[str, Any]) -> None:
        name = chunk["id"]
        if what == "start":
            assert name not in self.parts, f"{name} begins twice"
            self.open.add(name)
            self.parts[name] = {"kind": kind, "text": ""}
            return
        assert name in self.open, f"{name} is not open"
        if what == "end":
            self.open.discard(name)
        else:
            self.parts[name]["text"] += chunk["delta"]

    def _tool(self, what: str, chunk: dict[str, Any]) -> None:
        name = chunk["toolCallId"]
        if what == "input-start":
            assert name not in self.parts, f"{name} begins twice"
            self.parts[name] = {"kind": "tool", "name": chunk["toolName"], "text": ""}
            return
        part = self.parts[name]
        if what == "input-delta":
            assert "input" not in part, "the input has come already"
            part["text"] += chunk["inputTextDelta"]
        elif what == "input-available":
            part["input"] = chunk["input"]
        else:
            part[what] = chunk.get("output", chunk.get("errorText"))


def types(chunks: list[dict[str, Any]]) -> list[str]:
    """
    The types of chunks.
    """
    return [chunk["type"] for chunk in chunks]


class ChunkTests(SynchronousTestCase):
    """
    Tests for L{ChunkWriter}.
    """

    def setUp(self) -> None:
        self.writer = ChunkWriter("m1")

    def write(self, *growths: Growth) -> list[dict[str, Any]]:
        """
        The chunks for some growth.
        """
        return [chunk for growth in growths for chunk in self.writer.write(growth)]

    def test_text(self) -> None:
        """
        A text begins, grows and ends.
        """
        self.assertEqual(
            [
                *self.writer.begin(),
                *self.write(Grown("0", TEXT, "Hel"), Grown("0", TEXT, "lo")),
                *self.writer.end(DONE, None),
            ],
            [
                {"type": "start", "messageId": "m1"},
                {"type": "start-step"},
                {"type": "text-start", "id": "0"},
                {"type": "text-delta", "id": "0", "delta": "Hel"},
                {"type": "text-delta", "id": "0", "delta": "lo"},
                {"type": "text-end", "id": "0"},
                {"type": "finish-step"},
                {"type": "finish", "finishReason": "stop"},
            ],
        )

    def test_ends(self) -> None:
        """
        Every end is one that the SDK knows, and an error says what happened.
        """
        for state, reason, expected in (
            (DONE, "length", {"type": "finish", "finishReason": "length"}),
            (DONE, "content_filter", {"type": "finish", "finishReason": "content-filter"}),
            (DONE, "strange", {"type": "finish", "finishReason": "stop"}),
            (CANCELLED, None, {"type": "abort", "reason": "cancelled"}),
            (FAILED, "No luck.", {"type": "error", "errorText": "No luck."}),
            (FAILED, None, {"type": "error", "errorText": "The answer failed."}),
            (
                ABORTED,
                "upstream",
                {"type": "error", "errorText": "The answer was broken off (upstream)."},
            ),
        ):
            chunks = ChunkWriter("m").end(state, reason)
            self.assertEqual(chunks[-1], expected)

    def test_thoughts(self) -> None:
        """
        Reasoning ends when the answer goes on.  If it goes on once more it is another part, which
        ends with the answer.
        """
        chunks = self.write(
            Grown("r0", REASONING, "a"),
            Grown("0", TEXT, "b"),
            Grown("r0", REASONING, "c"),
            Grown("0", TEXT, "d"),
            Grown("r0", REASONING, "e"),
        )
        self.assertEqual(
            [(chunk["type"], chunk["id"]) for chunk in chunks],
            [
                ("reasoning-start", "r0"),
                ("reasoning-delta", "r0"),
                ("reasoning-end", "r0"),
                ("text-start", "0"),
                ("text-delta", "0"),
                ("reasoning-start", "r0.2"),
                ("reasoning-delta", "r0.2"),
                ("text-delta", "0"),
                ("reasoning-delta", "r0.2"),
            ],
        )
        self.assertEqual(types(self.writer.end(CANCELLED, None))[:2], ["text-end", "reasoning-end"])

    def test_tool(self) -> None:
        """
        A tool has its arguments, its input once they are whole, and its output.
        """
        known = {"call": "c1", "name": "weather"}
        chunks = self.write(
            Valued("c1", TOOL, known),
            Grown("c1", TOOL, '{"city"'),
            Grown("c1", TOOL, ':"Bern"}'),
            Valued("c1", TOOL, {**known, "input": {"city": "Bern"}}),
        )
        self.assertEqual(
            chunks,
            [
                {"type": "tool-input-start", "toolCallId": "c1", "toolName": "weather"},
                {"type": "tool-input-delta", "toolCallId": "c1", "inputTextDelta": '{"city"'},
                {"type": "tool-input-delta", "toolCallId": "c1", "inputTextDelta": ':"Bern"}'},
                {
                    "type": "tool-input-available",
                    "toolCallId": "c1",
                    "toolName": "weather",
                    "input": {"city": "Bern"},
                },
            ],
        )
        self.assertEqual(
            self.writer.end(DONE, None)[-1], {"type": "finish", "finishReason": "tool-calls"}
        )
        chunks = self.write(Valued("c1", TOOL, {**known, "input": {}, "output": [1]}))
        self.assertEqual(
            chunks, [{"type": "tool-output-available", "toolCallId": "c1", "output": [1]}]
        )
        self.assertEqual(self.writer.end(DONE, None)[-1]["finishReason"], "stop")

    def test_lateTool(self) -> None:
        """
        Arguments before the name wait for it; the whole value at once has all steps.
        """
        self.assertEqual(self.write(Grown("c1", TOOL, "{}")), [])
        chunks = self.write(Valued("c1", TOOL, {"name": "f", "input": {}, "output": None}))
        self.assertEqual(
            types(chunks),
            [
                "tool-input-start",
                "tool-input-delta",
                "tool-input-available",
                "tool-output-available",
            ],
        )

    def test_toolErrors(self) -> None:
        """
        A tool fails before its input is whole, or while it runs.
        """
        (_, early) = self.write(Valued("c1", TOOL, {"name": "f", "error": "bad"}))
        self.assertEqual(
            early,
            {
                "type": "tool-input-error",
                "toolCallId": "c1",
                "toolName": "f",
                "input": None,
                "errorText": "bad",
            },
        )
        self.write(Valued("c2", TOOL, {"name": "f", "input": {}}))
        (late,) = self.write(Valued("c2", TOOL, {"name": "f", "input": {}, "error": "down"}))
        self.assertEqual(
            late, {"type": "tool-output-error", "toolCallId": "c2", "errorText": "down"}
        )
        self.assertEqual(self.write(Valued("c2", TOOL, {"name": "f", "output": 1})), [])
        # The error is any JSON, and the SDK takes a text.
        for error, text in ((None, "The call failed."), ({"code": None}, '{"code":null}')):
            name = f"c{len(text)}"
            (_, early) = self.write(Valued(name, TOOL, {"name": "f", "error": error}))
            self.assertEqual(early["errorText"], text)

    def test_data(self) -> None:
        """
        Data has its own type, and what the SDK has a type for gets that, once, if it is whole.
        """
        url = {"url": "https://example.com", "title": "An example", "more": 1}
        self.assertEqual(
            self.write(
                Valued("s1", DATA, {"name": "weather", "value": 1}),
                Valued("s1", DATA, {"name": "weather", "value": 2}),
                Valued("s2", DATA, {"name": "source-url", "value": url}),
                Valued("s2", DATA, {"name": "source-url", "value": url}),
                Valued("s3", DATA, {"name": "source-url", "value": {"url": 7}}),
                Valued(
                    "s4", DATA, {"name": "file", "value": {"url": "u", "mediaType": "image/png"}}
                ),
                Valued("s5", DATA, {}),
            ),
            [
                {"type": "data-weather", "id": "s1", "data": 1},
                {"type": "data-weather", "id": "s1", "data": 2},
                {
                    "type": "source-url",
                    "sourceId": "s2",
                    "url": "https://example.com",
                    "title": "An example",
                },
                {"type": "data-source-url", "id": "s3", "data": {"url": 7}},
                {"type": "file", "url": "u", "mediaType": "image/png"},
                {"type": "data-data", "id": "s5", "data": None},
            ],
        )

    def test_reset(self) -> None:
        """
        After a reset the answer begins anew.
        """
        self.write(Grown("0", TEXT, "a"), Valued("c1", TOOL, {"name": "f"}))
        self.assertEqual(self.writer.reset(), [{"type": "reset-step"}])
        self.assertEqual(
            types(self.write(Grown("0", TEXT, "b"), Valued("c1", TOOL, {"name": "f"}))),
            ["text-start", "text-delta", "tool-input-start"],
        )

    @given(
        st.lists(
            st.one_of(
                st.builds(
                    Grown, st.sampled_from("01"), st.just(TEXT), st.sampled_from(["", "a", "b"])
                ),
                st.builds(
                    Grown,
                    st.sampled_from(["r0", "r1"]),
                    st.just(REASONING),
                    st.sampled_from(["", "a", "b"]),
                ),
                st.builds(
                    Grown, st.sampled_from(["c1", "c2"]), st.just(TOOL), st.sampled_from("xy")
                ),
                st.builds(
                    Valued,
                    st.sampled_from(["c1", "c2"]),
                    st.just(TOOL),
                    st.fixed_dictionaries(
                        {},
                        optional={
                            "name": st.just("f"),
                            "input": st.just({"a": 1}),
                            "output": st.just([2]),
                            "error": st.just("no"),
                        },
                    ),
                ),
            ),
            max_size=20,
        )
    )
    def test_valid(self, growths: list[Growth]) -> None:
        """
        Whatever grows in whatever order, the chunks are valid, and every text is whole.
        """
        writer, reader = ChunkWriter("m"), Reader()
        texts: dict[str, str] = {}
        for growth in growths:
            if isinstance(growth, Grown) and growth.kind != TOOL:
                texts[growth.part] = texts.get(growth.part, "") + growth.text
        for chunk in [
            *writer.begin(),
            *(chunk for growth in growths for chunk in writer.write(growth)),
            *writer.end(DONE, None),
        ]:
            reader.read(chunk)
        self.assertEqual(reader.open, set())
        found: dict[str, str] = {}
        for name, part in reader.parts.items():
            if part["kind"] != "tool":
                whole = name.partition(".")[0]
                found[whole] = found.get(whole, "") + part["text"]
        self.assertEqual(found, texts)
