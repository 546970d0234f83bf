"""
Makes one answer for the operator of the answers of several processes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from aerostack.core.diagnosis.evidence import joinTables
from aerostack.core.diagnosis.questions import HUB

Shown = dict[str, Any]

P = TypeVar("P", str, tuple[int, str, str])

NEAR = 750
"""Milliseconds by which the samples of two processes may be apart and be of the same second."""


def orderOf(connectionId: str) -> tuple[int, str, str]:
    """
    The place of a connection in the list of all, by its id: that is the order of opening, because
    an id ends with a hexadecimal number that grows with the time.
    """
    run, _, opened = connectionId.rpartition("-")
    return len(opened), opened, run


def mergeConnections(answers: Mapping[str, Shown], limit: int) -> Shown:
    """
    Merge pages of connections, in the order of L{orderOf}.  No connection is on two pages.

    @param answers: The pages, by the names of the processes or nodes.
    """
    pages = list(answers.values())
    found = {orderOf(row["id"]): row for page in pages for row in page["connections"]}
    places, more = _cut(found, [orderOf(row["id"]) for row in _last(pages, "connections")], limit)
    return {
        "connections": [found[place] for place in places],
        "total": sum(page["total"] for page in pages),
        "more": more or any(page["more"] for page in pages),
    }


def mergeTopics(answers: Mapping[str, Shown], limit: int, after: str) -> Shown:
    """
    Merge pages of topics, by name.

    The total is exact if the hub has answered, which knows every topic, or if everything is shown.
    Else it is how many there are at least, because the same topic may be at several processes; then
    C{atLeast} is there and true.

    @param answers: The pages, by the names of the processes or nodes.
    @param after: The last name of the page before; empty for the first page.
    """
    pages = list(answers.values())
    rows: dict[str, list[Shown]] = {}
    for page in pages:
        for row in page["topics"]:
            rows.setdefault(row["topic"], []).append(row)
    names, more = _cut(rows, [row["topic"] for row in _last(pages, "topics")], limit)
    isPart = any(page["more"] for page in pages)
    merged = {
        "topics": [_mergeRows(rows[name]) for name in names],
        "total": max(len(rows), *(page["total"] for page in pages)),
        "more": more or isPart,
    }
    return {**merged, "atLeast": True} if HUB not in answers and (after or isPart) else merged


def _last(pages: Sequence[Shown], name: str) -> list[Shown]:
    """The last rows of the pages that are not the last of their process."""
    return [page[name][-1] for page in pages if page["more"] and page[name]]


def _cut(places: Iterable[P], ends: Sequence[P], limit: int) -> tuple[list[P], bool]:
    """
    Choose the places of a merged page, in order.

    @param ends: Behind these, a process may have rows that are not on its page.
    @return: The places, and whether there are places behind them.
    """
    ordered = sorted(places)
    if ends:
        ordered = ordered[: bisect_right(ordered, min(ends))]
    return ordered[:limit], len(ordered) > limit


def _mergeRows(rows: Sequence[Shown]) -> Shown:
    """Merge what several processes say of one topic."""
    # Each process has the same log, but perhaps from a later beginning.
    log = max(rows, key=lambda row: (-1 if (n := row["published"]) is None else n, row["held"]))
    return {
        **log,
        "subscribers": sum(row["subscribers"] for row in rows),
        # A process that follows the topic knows all of its members.
        "present": max(row["present"] for row in rows),
    }


def mergeTopic(answers: Mapping[str, Shown], most: int) -> Shown:
    """
    Merge what processes or nodes say of one topic, of one at least.

    @param answers: What they say, by their names.
    @param most: How many subscriptions are shown.
    """
    rows = list(answers.values())
    members = max(rows, key=lambda each: (each["membersTotal"], len(each["members"])))
    subscriptions = sorted(
        (each for row in rows for each in row["subscriptions"]),
        key=lambda each: orderOf(each["connection"]),
    )
    return {
        **_mergeRows(rows),
        "members": members["members"],
        "membersTotal": members["membersTotal"],
        "subscriptions": subscriptions[:most],
    }


def mergeStreams(answers: Mapping[str, Shown], most: int) -> Shown:
    """
    Merge what processes or nodes say of the token streams that run.  Each process knows the number
    of its own watchers; one of them judges the stream, and knows the rest.

    @param answers: What they say, by their names.
    @param most: How many streams are shown.
    """
    rows: dict[tuple[str, str], list[Shown]] = {}
    for answer in answers.values():
        for row in answer["streams"]:
            rows.setdefault((row["topic"], row["stream"]), []).append(row)
    merged = [
        {
            # The process that judges it has the longest text.
            **max(same, key=lambda row: (row["first"] is not None, row["length"])),
            "watchers": sum(row["watchers"] for row in same),
        }
        for same in rows.values()
    ]
    merged.sort(key=lambda row: (-row["began"], row["stream"]))
    total = max(len(merged), *(answer["total"] for answer in answers.values()))
    return {"streams": merged[:most], "total": total}


def mergeRefusals(answers: Mapping[str, Shown]) -> Shown:
    """
    Merge what processes or nodes have refused, newest first.

    @param answers: What they say, by their names.
    """
    rows = [row for answer in answers.values() for row in answer["refusals"]]
    rows.sort(key=lambda row: -row["at"])
    return {"refusals": rows, "total": sum(answer["total"] for answer in answers.values())}


def mergeWork(answers: Mapping[str, Shown]) -> Shown:
    """
    Merge what processes do: those that serve clients, of which one must be there, and the hub,
    which has no feed.

    The samples are of the seconds of the hub, or of the first worker if the hub takes none.
    """
    named = HUB if HUB in answers else next(iter(answers))
    return {
        "started": min(answer["started"] for answer in answers.values()),
        "feed": joinTables([each["feed"] for name, each in answers.items() if name != HUB]),
        "samples": _mergeSeries(answers, named),
    }


def joinWork(answers: Mapping[str, Shown]) -> Shown:
    """
    Put together what nodes do.  The first of them gives the seconds, and since when it has run.

    @param answers: The merged answers of the nodes, by their names.
    """
    first = next(iter(answers))
    return {
        "started": answers[first]["started"],
        "feed": joinTables([each["feed"] for each in answers.values()]),
        "samples": _mergeSeries(answers, first),
    }


def _mergeSeries(answers: Mapping[str, Shown], named: str) -> list[Shown]:
    """
    Merge the samples of several, in the seconds of one of them.  The newest second waits until all
    have a sample of it, so that an operator who asks for later samples than these misses none.
    """
    series = [each["samples"] for name, each in answers.items() if name != named]
    times = [[sample["at"] for sample in samples] for samples in series]
    samples = []
    seconds = answers[named]["samples"]
    for sample in seconds:
        same = [sample]
        for found, at in zip(series, times, strict=True):
            near = _nearest(found, at, sample["at"])
            if near is not None:
                same.append(near)
        if sample is not seconds[-1] or len(same) == len(answers):
            samples.append(_mergeSamples(same, named == HUB))
    return samples


def _nearest(samples: Sequence[Shown], times: Sequence[int], at: int) -> Shown | None:
    """
    The sample that ended nearest to a time, if it is of the same second.
    """
    here = bisect_left(times, at)
    near = min(
        range(max(0, here - 1), min(len(times), here + 1)),
        key=lambda place: abs(times[place] - at),
        default=None,
    )
    return None if near is None or abs(times[near] - at) > NEAR else samples[near]


def _mergeSamples(samples: Sequence[Shown], isHub: bool) -> Shown:
    """
    Merge samples of the same second, the first of which says when it ended.

    @param isHub: Whether the first one is the hub's.
    """
    merged: Shown = {"at": samples[0]["at"]}
    for name in ("connections", "subscriptions", "deliveries"):
        merged[name] = round(sum(sample[name] for sample in samples), 1)
    # A publication reaches the hub, and every worker and node that has a subscriber.  Their seconds
    # do not end together, so that the largest number of each second may count one twice.  The hub
    # knows all.
    for name in ("publications", "changes"):
        found = samples[:1] if isHub else samples
        merged[name] = max(sample[name] for sample in found)
    merged["turn"] = max(sample["turn"] for sample in samples)
    for name in ("feed", "publish"):
        merged[name] = _worst([sample[name] for sample in samples])
    return merged


def _worst(spreads: Sequence[Shown | None]) -> Shown | None:
    """The largest percentiles of several processes."""
    found = [spread for spread in spreads if spread is not None]
    if not found:
        return None
    return {name: max(spread[name] for spread in found) for name in ("p50", "p99")}
