"""
Tests for L{aerostack.core.diagnosis.merging}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.merging import (
    Shown,
    mergeConnections,
    mergeStreams,
    mergeTopic,
    mergeTopics,
    mergeWork,
    orderOf,
)
from aerostack.core.diagnosis.questions import HUB

ROW = {"table": None, "held": 0, "bytes": 0, "pos": None}

topicSets = st.lists(
    st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 9), max_size=10),
    min_size=1,
    max_size=3,
)
counts = st.lists(st.integers(0, 12), min_size=1, max_size=3)
limits = st.integers(1, 5)
cuts = st.lists(st.integers(1, 5), min_size=3, max_size=3)


def topic(name: str, subscribers: int, **more: Any) -> Shown:
    """
    A topic as a process shows it.
    """
    return {
        "topic": name,
        "subscribers": subscribers,
        "present": 0,
        "published": None,
        **ROW,
        **more,
    }


def page(
    rows: Iterable[Shown], name: str, key: Callable[[Shown], Any], after: Any, size: int
) -> Shown:
    """
    The page of one process.
    """
    ordered = sorted(rows, key=key)
    behind = [row for row in ordered if key(row) > after]
    return {name: behind[:size], "total": len(ordered), "more": len(behind) > size}


def walk(ask: Callable[[str], Shown], name: str, key: str) -> tuple[list[Shown], list[Shown]]:
    """
    Ask for one page after the other.

    @return: The pages, and all of their rows.
    """
    pages: list[Shown] = []
    rows: list[Shown] = []
    while not pages or pages[-1]["more"]:
        pages.append(ask(rows[-1][key] if rows else ""))
        rows += pages[-1][name]
        assert pages[-1][name] or not pages[-1]["more"], "the pages go on for ever"
    return pages, rows


class PageTests(SynchronousTestCase):
    """
    Tests for merged pages, compared with one list of everything.
    """

    @given(counts, limits, cuts)
    def test_connections(self, many: Sequence[int], limit: int, sizes: Sequence[int]) -> None:
        """
        The merged pages have every connection once and in order, also if a process has sent a
        shorter page than it was asked for.
        """
        processes = [
            [{"id": f"c{run}f-{n:x}"} for n in range(1, n + 1)] for run, n in enumerate(many)
        ]
        everything = [row for rows in processes for row in rows]

        def ask(after: str) -> Shown:
            pages = [
                page(
                    rows,
                    "connections",
                    lambda row: orderOf(row["id"]),
                    orderOf(after),
                    min(limit, size),
                )
                for rows, size in zip(processes, sizes, strict=False)
            ]
            return mergeConnections({f"w{n}": each for n, each in enumerate(pages)}, limit)

        pages, rows = walk(ask, "connections", "id")
        self.assertEqual(rows, sorted(everything, key=lambda row: orderOf(row["id"])))
        self.assertEqual({each["total"] for each in pages}, {len(everything)})
        self.assertTrue(all(len(each["connections"]) <= limit for each in pages))

    @given(topicSets, limits, cuts)
    def test_topics(self, many: Sequence[Any], limit: int, sizes: Sequence[int]) -> None:
        """
        The merged pages have every topic once and by name, with its subscribers at all processes.
        """
        processes = [[topic(name, n) for name, n in found.items()] for found in many]
        whole: dict[str, int] = {}
        for found in many:
            for name, n in found.items():
                whole[name] = whole.get(name, 0) + n

        def ask(after: str) -> Shown:
            pages = [
                page(rows, "topics", lambda row: row["topic"], after, min(limit, size))
                for rows, size in zip(processes, sizes, strict=False)
            ]
            return mergeTopics({f"w{n}": each for n, each in enumerate(pages)}, limit, after)

        pages, rows = walk(ask, "topics", "topic")
        self.assertEqual(
            [(row["topic"], row["subscribers"]) for row in rows], sorted(whole.items())
        )
        for each in pages:
            self.assertLessEqual(len(each["topics"]), limit)
            if each.get("atLeast"):
                self.assertLessEqual(each["total"], len(whole))
            else:
                self.assertEqual(each["total"], len(whole))

    def test_hub(self) -> None:
        """
        The total of the hub, which knows all topics, is exact on every page, and the topics that
        no worker has are in the list.
        """
        hub = [topic(name, 0, published=1) for name in "abcd"]
        worker = [topic(name, 2) for name in "bc"]

        def ask(after: str) -> Shown:
            def key(row: Shown) -> str:
                return str(row["topic"])

            return mergeTopics(
                {
                    "worker-1": page(worker, "topics", key, after, 2),
                    HUB: page(hub, "topics", key, after, 2),
                },
                2,
                after,
            )

        pages, rows = walk(ask, "topics", "topic")
        self.assertEqual(
            [(row["topic"], row["subscribers"], row["published"]) for row in rows],
            [("a", 0, 1), ("b", 2, 1), ("c", 2, 1), ("d", 0, 1)],
        )
        for each in pages:
            self.assertEqual(each["total"], 4)
            self.assertNotIn("atLeast", each)

    def test_ids(self) -> None:
        """
        The connections of several processes are in order of the numbers in their ids.
        """
        ids = ["ca-1", "cb-1", "ca-2", "cb-f", "ca-10"]
        self.assertEqual(sorted(reversed(ids), key=orderOf), ids)
        self.assertLess(orderOf(""), orderOf("ca-1"))


class TopicTests(SynchronousTestCase):
    """
    Tests for L{mergeTopic}.
    """

    def test_merged(self) -> None:
        """
        The subscriptions of all processes are shown, and the members and the log of the process
        that knows most of them.
        """
        first = {
            **topic("chat/a/p", 2, present=2, published=7, held=1),
            "members": [1, 2],
            "membersTotal": 2,
            "subscriptions": [{"connection": "ca-1"}, {"connection": "ca-2"}],
        }
        second = {
            **topic("chat/a/p", 1, published=7, held=5),
            "members": [],
            "membersTotal": 0,
            "subscriptions": [{"connection": "cb-1"}],
        }
        merged = mergeTopic({"w1": first, "w2": second}, 2)
        self.assertEqual(merged["subscribers"], 3)
        self.assertEqual(
            (merged["present"], merged["members"], merged["membersTotal"]), (2, [1, 2], 2)
        )
        self.assertEqual((merged["published"], merged["held"]), (7, 5))
        self.assertEqual(merged["subscriptions"], [{"connection": "ca-1"}, {"connection": "cb-1"}])


def sample(at: int, **more: Any) -> Shown:
    """
    A sample.
    """
    return {
        "at": at,
        "connections": 0,
        "subscriptions": 0,
        "publications": 0.0,
        "changes": 0.0,
        "deliveries": 0.0,
        "turn": 0.0,
        "feed": None,
        "publish": None,
        **more,
    }


def work(*samples: Shown, started: int = 5, **feed: Any) -> Shown:
    """
    What a worker does.
    """
    up = {"up": True, "lag": 0.0, "position": 0, "tables": [], "waiting": None, **feed}
    return {"started": started, "feed": up, "samples": list(samples)}


class WorkTests(SynchronousTestCase):
    """
    Tests for L{mergeWork}.
    """

    def test_samples(self) -> None:
        """
        The samples of the same second are added up; the hub says how much was published.
        """
        hub = {"started": 3, "samples": [sample(2000, publications=4.0), sample(3000)]}
        first = work(
            sample(1900, connections=2, publications=4.0, deliveries=0.1, turn=9.0),
            sample(2900, connections=3, publish={"p50": 1.0, "p99": 9.0}),
        )
        second = work(
            sample(2400, connections=10, publications=3.0, deliveries=0.2),
            sample(3400, connections=20, publish={"p50": 2.0, "p99": 3.0}),
        )
        # A worker has counted in the next second what the hub has counted in this one.
        second["samples"][1]["publications"] = 4.0
        merged = mergeWork({"w1": first, "w2": second, HUB: hub})
        self.assertEqual(
            merged["samples"],
            [
                sample(2000, connections=12, publications=4.0, deliveries=0.3, turn=9.0),
                sample(3000, connections=23, publish={"p50": 2.0, "p99": 9.0}),
            ],
        )
        self.assertEqual(merged["started"], 3)

    def test_withoutHub(self) -> None:
        """
        Without samples of the hub, the first worker says when each second ended.
        """
        first = work(sample(2000, publications=4.0, deliveries=1.0))
        second = work(sample(2500, publications=5.0, deliveries=2.0), sample(3500))
        merged = mergeWork({"w1": first, "w2": second})
        self.assertEqual(merged["samples"], [sample(2000, publications=5.0, deliveries=3.0)])

    def test_late(self) -> None:
        """
        A worker that has no sample of a second is not counted in it.
        """
        hub = {"started": 3, "samples": [sample(8000), sample(9000)]}
        late = {"w1": work(sample(1000, connections=5)), "w2": work()}
        merged = mergeWork({**late, HUB: hub})
        self.assertEqual(merged["samples"], [sample(8000)])

    def test_notYet(self) -> None:
        """
        The newest second waits for a worker that has no sample of it yet, and is not lost for an
        operator who asks for later ones.
        """
        hub = {"started": 3, "samples": [sample(1001), sample(2001)]}
        deliveries = [sample(1002, deliveries=3.0), sample(2002, deliveries=5.0)]
        merged = mergeWork({"w1": work(deliveries[0]), HUB: hub})
        self.assertEqual(merged["samples"], [sample(1001, deliveries=3.0)])
        merged = mergeWork({"w1": work(deliveries[1]), HUB: {**hub, "samples": [sample(2001)]}})
        self.assertEqual(merged["samples"], [sample(2001, deliveries=5.0)])

    def test_feed(self) -> None:
        """
        The feed is up if it is at every worker, and has the tables of all.
        """
        first = work(tables=["b", "a"], lag=1.0, position=5, waiting={"age": 1.0})
        second = work(tables=["c", "a"], up=False, position=7, waiting={"age": 2.0})
        merged = mergeWork({"w1": first, "w2": second})
        self.assertEqual(
            merged["feed"],
            {
                "up": False,
                "lag": 1.0,
                "position": 7,
                "tables": ["a", "b", "c"],
                "waiting": {"age": 2.0},
            },
        )
        self.assertEqual(merged["samples"], [])


class StreamsTests(SynchronousTestCase):
    """
    Tests for L{mergeStreams}.
    """

    def row(self, stream: str, began: int, **more: Any) -> dict[str, Any]:
        """
        What a process says of a stream.
        """
        row = {"stream": stream, "topic": "ai/a/p", "owner": None, "length": 5, "first": None}
        return {**row, "began": began, "watchers": 0, **more}

    def test_merged(self) -> None:
        """
        The watchers of all processes are added; the process that judges the stream says the rest.
        """
        answers = {
            "hub": {"streams": [self.row("a", 1, length=9, first=30)], "total": 2},
            "w1": {"streams": [self.row("a", 1, watchers=2), self.row("b", 7)], "total": 2},
            "w2": {"streams": [self.row("a", 1, watchers=3)], "total": 1},
        }
        merged = mergeStreams(answers, 10)
        self.assertEqual([each["stream"] for each in merged["streams"]], ["b", "a"])
        a = merged["streams"][1]
        self.assertEqual((a["watchers"], a["length"], a["first"]), (5, 9, 30))
        self.assertEqual(merged["total"], 2)

    def test_most(self) -> None:
        """
        At most so many are shown as asked for, and the total is of all.
        """
        answers = {"w1": {"streams": [self.row(f"s{n}", n) for n in range(5)], "total": 40}}
        merged = mergeStreams(answers, 3)
        self.assertEqual([each["stream"] for each in merged["streams"]], ["s4", "s3", "s2"])
        self.assertEqual(merged["total"], 40)
