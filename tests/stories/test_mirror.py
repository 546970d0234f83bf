"""
An application that applies its frames has exactly the rows that it may read.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aerostack.core.rows.changes import DELETE, INSERT, UPDATE, Row
from aerostack.testing import Frame, MemoryClient
from tests.stories.readers import ReaderCase, row

# Each step is a row with its owner and price, or None to delete it; or the reader who dies, and
# resumes at its next step; or a restart of the daemon.
steps = st.one_of(
    st.tuples(
        st.integers(0, 3),
        st.none() | st.tuples(st.sampled_from(["ann", "bob", "eve"]), st.integers(1, 3)),
    ),
    st.sampled_from(["ann", "bob", "restart"]),
)


class StoryTests(ReaderCase):
    """
    Tests of everything together.
    """

    @settings(max_examples=60, deadline=None)
    @given(st.lists(steps, max_size=25))
    def test_mirror(self, story: list[Any]) -> None:
        """
        A client that applies its frames has exactly the rows that it may read, through deaths and
        restarts, whenever it has caught up; and it has got no other row.
        """
        self.setUp()
        readers = {sub: _Reader(self, sub) for sub in ("ann", "bob")}
        table: dict[int, Row] = {}
        for step in story:
            if step == "restart":
                for reader in readers.values():
                    reader.die()
                if self.world.tracker.changes:
                    self.world.restart()
            elif isinstance(step, str):
                readers[step].die()
            else:
                number, values = step
                old = table.pop(number, None)
                if values is not None:
                    table[number] = row(number, *values)
                    self.tell(table[number], old)
                elif old is not None:
                    self.tell(old, old, DELETE)
                for sub, reader in readers.items():
                    if number % 2:
                        reader.catchUp()
                        self.assertEqual(reader.rows, _visible(table, sub))
        for sub, reader in readers.items():
            reader.catchUp()
            self.assertEqual(reader.rows, _visible(table, sub))


def _visible(table: dict[int, Row], owner: str) -> dict[int, Row]:
    return {
        number: {name: value for name, value in row.items() if name != "card"}
        for number, row in table.items()
        if row["owner"] == owner
    }


class _Reader:
    """
    An application that shows the rows of the table.
    """

    def __init__(self, case: ReaderCase, sub: str) -> None:
        self.rows: dict[int, Row] = {}
        self._case = case
        self._sub = sub
        self._client: MemoryClient | None = None
        self._since: str | None = None
        self.catchUp()

    def die(self) -> None:
        if self._client is not None:
            self._client.die()
            self._client = None

    def catchUp(self) -> None:
        """
        Reconnect if necessary, and apply the frames that arrived.
        """
        if self._client is None:
            self._client = self._case.connect(self._sub)
            self._client.positions = True
            more = {} if self._since is None else {"since": self._since}
            answer, *frames = self._client.ask(type="subscribe", topic="orders", **more)
            assert answer["type"] == "subscribed" and answer.get("recovered") is not False
            self._since = answer["pos"]
        else:
            frames = self._client.take()
        for frame in frames:
            self._since = frame["pos"]
            if frame["type"] != "commit":
                self._apply(frame)

    def _apply(self, frame: Frame) -> None:
        data, number = frame["data"], frame["data"]["id"]
        for told in (data, frame.get("old") or data):
            assert told["owner"] == self._sub and "card" not in told
        if frame["operation"] == INSERT:
            assert number not in self.rows
            self.rows[number] = data
        elif frame["operation"] == UPDATE:
            assert self.rows[number] == frame["old"]
            self.rows[number] = data
        else:
            assert self.rows.pop(number) == data == frame["old"]
