"""
Tests for L{aerostack.protocol.completions}.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.answers.growth import REASONING, TEXT, TOOL, Grown, Growth, Valued
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.completions import (
    ANSWER,
    CALLS,
    REFUSAL,
    THOUGHT,
    USAGE_BYTES,
    BrokenCompletion,
    CompletionReader,
    CompletionWriter,
)
from aerostack.protocol.sse import DONE, EventReader, writeEvent

USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def chunk(delta: Any = None, reason: str | None = None, **more: Any) -> str:
    """
    A chunk of a completion, with fields that nobody needs.
    """
    choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": reason}
    return json.dumps({"id": "x", "object": "chat.completion.chunk", "choices": [choice], **more})


def call(index: int, arguments: str | None = None, **more: Any) -> Any:
    """
    A piece of a call of a tool.
    """
    return {
        "index": index,
        "function": {"arguments": arguments, **more.pop("function", {})},
        **more,
    }


def named(index: int, name: str, arguments: str = "", **more: Any) -> Any:
    """
    The first piece of a call of a tool.
    """
    return call(index, arguments, id=f"c{index}", function={"name": name}, **more)


def read(*chunks: str) -> tuple[CompletionReader, list[Growth]]:
    """
    Read chunks one after the other.
    """
    reader = CompletionReader()
    return reader, [growth for each in chunks for growth in reader.feed(each)]


class ReaderTests(SynchronousTestCase):
    """
    Tests for L{CompletionReader}.
    """

    def test_text(self) -> None:
        """
        The text grows by each chunk; empty ones add nothing, and the last says why it ends.
        """
        reader, grown = read(
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Hel"}),
            chunk({"content": None}),
            chunk({"content": "lo"}),
        )
        self.assertEqual(grown, [Grown(ANSWER, TEXT, "Hel"), Grown(ANSWER, TEXT, "lo")])
        self.assertFalse(reader.isWhole)
        reader.feed(chunk(reason="length"))
        self.assertEqual((reader.isWhole, reader.finished, reader.usage), (True, "length", None))
        reader.feed(json.dumps({"choices": [], "usage": USAGE}))
        self.assertEqual(json.loads(reader.usage or b""), USAGE)
        self.assertFalse(reader.isDone)
        self.assertEqual(reader.feed(DONE), [])
        self.assertTrue(reader.isDone)

    def test_allAtOnce(self) -> None:
        """
        Everything that one chunk has counts: reasoning, text, a refusal and several tools.
        """
        delta = {
            "reasoning": "hm",
            "content": "a",
            "refusal": "no",
            "tool_calls": [named(0, "f", "{"), named(1, "g")],
        }
        _, grown = read(chunk(delta))
        self.assertEqual(
            grown,
            [
                Grown(THOUGHT, REASONING, "hm"),
                Grown(ANSWER, TEXT, "a"),
                Grown(REFUSAL, TEXT, "no"),
                Valued("c0", TOOL, {"call": "c0", "name": "f"}),
                Grown("c0", TOOL, "{"),
                Valued("c1", TOOL, {"call": "c1", "name": "g"}),
            ],
        )

    def test_thoughtTwice(self) -> None:
        """
        Reasoning that comes under both names counts once.
        """
        for delta in (
            {"reasoning_content": "a"},
            {"reasoning": "a"},
            {"reasoning_content": "a", "reasoning": "a"},
        ):
            self.assertEqual(read(chunk(delta))[1], [Grown(THOUGHT, REASONING, "a")])

    def test_interleaved(self) -> None:
        """
        The arguments of several tools do not mix, and each input comes with the end.
        """
        _, grown = read(
            chunk({"tool_calls": [named(1, "g"), named(0, "f")]}),
            chunk({"tool_calls": [call(0, '{"a"'), call(1, '{"b"')]}),
            chunk({"tool_calls": [call(1, ":2}")]}),
            chunk({"tool_calls": [call(0, ":1}")]}, "tool_calls"),
        )
        self.assertEqual(
            [growth for growth in grown if isinstance(growth, Valued)][2:],
            [
                Valued("c1", TOOL, {"call": "c1", "name": "g", "input": {"b": 2}}),
                Valued("c0", TOOL, {"call": "c0", "name": "f", "input": {"a": 1}}),
            ],
        )

    def test_half(self) -> None:
        """
        However whole the arguments look, they are no input until the upstream says so: not if it is
        cut off, nor if the answer became too long.
        """
        for last in ((), (DONE,), (chunk(reason="length"),), (chunk(reason="content_filter"),)):
            _, grown = read(chunk({"tool_calls": [named(0, "f", '{"a":1}')]}), *last)
            self.assertEqual(
                grown,
                [
                    Valued("c0", TOOL, {"call": "c0", "name": "f"}),
                    Grown("c0", TOOL, '{"a":1}'),
                ],
            )

    def test_badArguments(self) -> None:
        """
        Arguments that are no object are an error of that tool.
        """
        for arguments in ("{", "[1]", "x", '{"a":"\\ud83d"}', "[" * 100_000):
            _, grown = read(chunk({"tool_calls": [named(0, "f", arguments)]}, "tool_calls"))
            last = grown[-1]
            assert isinstance(last, Valued)
            self.assertEqual(sorted(last.value), ["call", "error", "name"])
        _, grown = read(chunk({"tool_calls": [named(0, "f")]}, "tool_calls"))
        self.assertEqual(grown[-1], Valued("c0", TOOL, {"call": "c0", "name": "f", "input": {}}))

    def test_parts(self) -> None:
        """
        The id of a call names its part, unless it is missing, strange or taken.
        """
        calls = [{"index": n, "function": {"arguments": "x"}} for n in range(6)]
        for each, name in zip(calls[1:], ("", ANSWER, "a\nb", "x" * 500, "ok"), strict=True):
            each["id"] = name
        _, grown = read(chunk({"tool_calls": [*calls, {**calls[5], "index": 6}]}))
        self.assertEqual(
            [growth.part for growth in grown], [*(f"call-{n}" for n in range(5)), "ok", "call-6"]
        )

    def test_otherChoices(self) -> None:
        """
        A choice that the daemon did not ask for is no part of the answer.
        """
        other = {"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}
        reader, grown = read(json.dumps({"choices": [other]}))
        self.assertEqual((grown, reader.isWhole), ([], False))

    def test_broken(self) -> None:
        """
        An error in the middle, and what is no chunk, break the answer off.  The message shows
        nothing of it.
        """
        for data in (
            json.dumps({"error": {"message": "secret overload"}}),
            json.dumps({"error": "secret"}),
            "<html>secret</html>",
            "[]",
            '{"choices":"secret"}',
            '{"choices":[{"delta":{"content":7}}]}',
            '{"choices":[{"delta":{"content":"\\ud83d"}}]}',
            "",
        ):
            error = self.assertRaises(BrokenCompletion, read, data)
            self.assertNotIn("secret", str(error))
        _, grown = read(json.dumps({"error": None, "usage": None, "choices": None}))
        self.assertEqual(grown, [])

    def test_bounded(self) -> None:
        """
        An upstream cannot call more tools than a bound.
        """
        reader, _ = read(*(chunk({"tool_calls": [named(n, "f")]}) for n in range(CALLS)))
        with self.assertRaises(BrokenCompletion):
            reader.feed(chunk({"tool_calls": [named(CALLS, "f")]}))

    def test_longUsage(self) -> None:
        """
        Numbers of tokens that are too long for all watchers are none.
        """
        reader, _ = read(json.dumps({"usage": {"note": "x" * USAGE_BYTES}}))
        self.assertIsNone(reader.usage)

    def test_everyByte(self) -> None:
        """
        Wherever the bytes are cut, the answer is the same.
        """
        chunks = [
            chunk({"reasoning_content": "漢"}),
            chunk({"content": "a😀\u2028"}),
            chunk({"tool_calls": [named(0, "f", '{"é":1}')]}, "tool_calls"),
            DONE,
        ]
        encoded = b"".join(writeEvent(each.encode()).replace(b"\n", b"\r\n") for each in chunks)
        _, expected = read(*chunks)
        for cut in range(len(encoded)):
            events, reader = EventReader(), CompletionReader()
            found = [
                growth
                for piece in (encoded[:cut], encoded[cut:])
                for event in events.feed(piece)
                for growth in reader.feed(event.data)
            ]
            self.assertEqual((found, reader.isDone), (expected, True))


TEXTS = st.text(st.sampled_from('a{}":,é😀 \u2028'), min_size=1, max_size=4)


class WriterTests(SynchronousTestCase):
    """
    Tests for L{CompletionWriter}.
    """

    def setUp(self) -> None:
        self.writer = CompletionWriter("a1", "default", 1_700_000_000)

    def plain(self, values: Any) -> Any:
        """
        What a client reads.
        """
        return json.loads(encodeValue(values))

    def test_stream(self) -> None:
        """
        The chunks say who speaks, what is new and why it ends; the last has the numbers, for those
        who asked.
        """
        chunks = self.plain(
            [
                *self.writer.write(Grown(ANSWER, TEXT, "Hi")),
                *self.writer.finish("length", encodeValue(USAGE), True),
            ]
        )
        head = {
            "id": "a1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": "default",
        }
        self.assertEqual([{key: each[key] for key in head} for each in chunks], [head] * 4)
        self.assertEqual(
            [each["choices"][0]["delta"] for each in chunks[:3]],
            [{"role": "assistant", "content": ""}, {"content": "Hi"}, {}],
        )
        self.assertEqual(
            [each["choices"][0]["finish_reason"] for each in chunks[:3]], [None, None, "length"]
        )
        self.assertEqual((chunks[3]["choices"], chunks[3]["usage"]), ([], USAGE))

    def test_empty(self) -> None:
        """
        An answer without any text has a beginning and an end all the same.
        """
        chunks = self.plain(self.writer.finish(None, encodeValue(USAGE), False))
        self.assertEqual([each["choices"][0]["finish_reason"] for each in chunks], [None, "stop"])

    def test_whole(self) -> None:
        """
        A client that asked for no stream gets everything in one message.
        """
        for growth in (
            Grown(THOUGHT, REASONING, "hm"),
            Grown(ANSWER, TEXT, "a"),
            Grown(ANSWER, TEXT, "b"),
            Valued("c1", TOOL, {"call": "c1", "name": "f"}),
            Grown("c1", TOOL, "{}"),
            Valued("c1", TOOL, {"call": "c1", "name": "f", "input": {}}),
            Valued("s1", "data", {"name": "sources", "value": 1}),
        ):
            self.writer.write(growth)
        whole = self.plain(self.writer.whole(None, encodeValue(USAGE)))
        self.assertEqual((whole["object"], whole["usage"]), ("chat.completion", USAGE))
        (choice,) = whole["choices"]
        self.assertEqual(choice["finish_reason"], "tool_calls")
        self.assertEqual(
            choice["message"],
            {
                "role": "assistant",
                "content": "ab",
                "refusal": None,
                "reasoning_content": "hm",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                    }
                ],
            },
        )

    @given(
        st.lists(
            st.tuples(st.sampled_from([THOUGHT, ANSWER, REFUSAL, "c0", "c1"]), TEXTS), max_size=12
        )
    )
    def test_readAgain(self, pieces: list[tuple[str, str]]) -> None:
        """
        A reader of the chunks gets the same parts with the same texts.
        """
        kinds = {THOUGHT: REASONING, ANSWER: TEXT, REFUSAL: TEXT}
        writer, reader = CompletionWriter("a1", "m", 1), CompletionReader()
        texts: dict[str, str] = {}
        found: dict[str, str] = {}
        growths: list[Growth] = []
        for part, text in pieces:
            if part not in texts and part not in kinds:
                growths.append(Valued(part, TOOL, {"call": part, "name": f"n{part}"}))
            texts[part] = texts.get(part, "") + text
            growths.append(Grown(part, kinds.get(part, TOOL), text))
        chunks = [each for growth in growths for each in writer.write(growth)]
        for each in [*chunks, *writer.finish("length", None, False)]:
            for growth in reader.feed(encodeValue(each).decode()):
                if isinstance(growth, Grown):
                    found[growth.part] = found.get(growth.part, "") + growth.text
                else:
                    self.assertEqual(growth.value["name"], f"n{growth.part}")
        self.assertEqual(found, texts)
        self.assertEqual(reader.finished, "length")
        message = msgspec.json.decode(encodeValue(writer.whole(None, None)))["choices"][0][
            "message"
        ]
        self.assertEqual(message["content"], texts.get(ANSWER))
