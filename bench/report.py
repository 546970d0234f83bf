"""
Results as tables, for a terminal and for the documentation.
"""

from __future__ import annotations

from collections.abc import Iterable

from idlemarks import idleTable, judgeIdle
from keptmarks import judgeKept, keptTable
from marks import HEADER, judge
from plan import Plan
from results import Results, machine
from roommarks import ROOMS, judgeRooms, roomTable
from scenes import BUSY, QUIET, windows
from systems import SYSTEMS
from tables import Table, delay, lines, mebibytes, number
from tokenmarks import LATE, holds, judgeTokens
from tokens import LADDER

MARKS = "Marks"
ALT = "The p99 of each system rises with the publications a second that it is offered."


class Reporter:
    """
    Makes tables of results.
    """

    def __init__(self, results: Results, plan: Plan) -> None:
        self._bounds = {system.name: system.bound for system in SYSTEMS}
        self._results = results
        self._plan = plan

    def tables(self) -> list[Table]:
        """
        Return every table that has a row.
        """
        tables = [
            self._fanout(),
            roomTable(self._results, self._plan),
            self._crowd(),
            idleTable(self._results),
            self._stall(),
            keptTable(self._results),
            self._resume(),
            self._tokens(),
            self._marks(),
        ]
        return [table for table in tables if table.rows]

    def _systems(self, measurement: str) -> Iterable[tuple[str, str]]:
        for system, label in self._results.labels.items():
            if self._results.has(system, measurement):
                yield system, label

    def _median(self, system: str, measurement: str, field: str) -> float | None:
        return self._results.median(system, measurement, field)

    def _worst(self, system: str, measurement: str, field: str) -> float | None:
        return max(self._results.values(system, measurement, field), default=None)

    def _fanout(self) -> Table:
        rows = []
        for size in self._plan.sizes:
            for name, load in (("quiet", f"{QUIET:,}/s"), ("busy", f"{BUSY:,}/s")):
                measurement = f"fanout/{size}/{name}"
                for system, label in self._systems(measurement):
                    rows.append([f"{size:,}", load, label, *self._delivered(system, measurement)])
            names = [f"fanout/{size}/overload/{window}" for window in windows(size)]
            for system, label in self._results.labels.items():
                best = self._results.best(system, names, "deliveries")
                if best is not None:
                    load = f"overload, {best.rpartition('/')[2]}"
                    rows.append([f"{size:,}", load, label, *self._delivered(system, best)])
        note = (
            "Deliveries to the subscribers of one topic, in frames of 160 bytes if the system's "
            "protocol is short enough.  The load is a rate of deliveries, or overload: a number "
            "of events in flight, published in bursts of half as many, at which the system "
            "delivers most.  Times are from before the publication to after the delivery (- if "
            "no delivery was in the measured time).  CPU is of one processor; load CPU is the "
            "load generator's."
        )
        header = (
            *("subscribers", "load", "system", "deliveries/s", "p50 ms", "p99 ms", "max ms"),
            *("CPU %", "MiB", "load CPU %"),
        )
        return Table("Fan-out", note, header, rows, 3)

    def _delivered(self, system: str, measurement: str) -> list[str]:
        return [
            number(self._median(system, measurement, "deliveries")),
            delay(self._median(system, measurement, "p50")),
            delay(self._median(system, measurement, "p99")),
            delay(self._worst(system, measurement, "max")),
            number(self._median(system, measurement, "cpu")),
            mebibytes(self._median(system, measurement, "rss")),
            number(self._median(system, measurement, "own_cpu")),
        ]

    def _crowd(self) -> Table:
        rows = []
        kinds = {
            "plain": "TCP, 500 at once",
            "storm": "TCP, all at once",
            "tls": "TLS, 500 at once",
        }
        for name, kind in kinds.items():
            measurement = f"crowd/{name}"
            for system, label in self._systems(measurement):
                memory = self._median(system, measurement, "memory")
                rows.append(
                    [
                        kind,
                        label,
                        number(self._median(system, measurement, "clients")),
                        number(self._median(system, measurement, "rate")),
                        number(self._median(system, measurement, "cpu")),
                        number(self._worst(system, measurement, "refused")),
                        number(self._worst(system, measurement, "failed")),
                        number(None if memory is None else memory / 1024, 1),
                    ]
                )
        note = (
            "Clients connect and subscribe, a number of them at once until all are connected, "
            "and are then silent.  CPU is the server's until all are connected.  Memory is the "
            "server's growth for each client.  Refused and failed are the highest of all rounds."
        )
        header = (
            *("how", "system", "clients", "clients/s", "CPU %"),
            *("refused", "failed", "KiB each"),
        )
        return Table("Connections", note, header, rows, 2)

    def _stall(self) -> Table:
        rows = []
        for system, label in self._systems("stall/stalled"):
            rows.append(
                [
                    label,
                    delay(self._median(system, "stall/reading", "p99")),
                    delay(self._median(system, "stall/stalled", "p99")),
                    number(self._median(system, "stall/stalled", "ratio"), 2),
                    mebibytes(self._median(system, "stall/stalled", "growth")),
                    mebibytes(self._bounds[system]),
                    delay(self._median(system, "stall/stalled", "dropped")),
                ]
            )
        note = (
            "A thousand subscribers get 50 events a second.  One of them also gets 4.9 MB a "
            "second on a topic of its own, and reads them, or stalls.  The columns are the p99 "
            "of the other subscribers, the median of the ratios of each round, the highest "
            "growth of the server's memory, the server's bound for one client (- means no "
            "bound), and the seconds after which it closed the connection (- means never)."
        )
        header = (
            *(
                "system",
                "p99 ms reading",
                "p99 ms stalled",
                "ratio",
                "MiB more",
                "bound",
                "closed s",
            ),
        )
        return Table("One stalled reader", note, header, rows, 1)

    def _resume(self) -> Table:
        rows = []
        for system, label in self._systems("resume"):
            most = self._median(system, "resume", "most") or 0
            before = self._median(system, "resume", "before") or 0
            whole = min(self._results.values(system, "resume", "whole"))
            rows.append(
                [
                    label,
                    number(self._median(system, "resume", "clients")),
                    number(self._median(system, "resume", "missed")),
                    number(whole),
                    number(self._worst(system, "resume", "wrong")),
                    number(self._median(system, "resume", "seconds"), 2),
                    number(self._median(system, "resume", "cpu")),
                    mebibytes(most - before),
                ]
            )
        note = (
            "Clients reconnect at once and ask for missed events, while 20 more events are "
            "published.  Whole is the number of clients that got every event once and in order, "
            "in the worst round.  Wrong is the number of events that came out of order, or not "
            "exactly once.  The time is until the last client has every event."
        )
        header = ("system", "clients", "missed", "whole", "wrong", "seconds", "CPU %", "MiB more")
        return Table("Resume", note, header, rows, 1)

    def _tokens(self) -> Table:
        rows = []
        for rung in LADDER:
            name = f"tokens/{rung.name}"
            for system, label in self._systems(name):
                rows.append(
                    [
                        str(rung),
                        label,
                        "yes" if holds(self._results, system, rung) else "NO",
                        number(min(self._results.values(system, name, "right"))),
                        number(self._median(system, name, "deliveries")),
                        delay(self._median(system, name, "p50")),
                        delay(self._median(system, name, "p99")),
                        number(self._median(system, name, "cpu")),
                        number((self._median(system, name, "bytes") or 0) / 1024, 1),
                        number(self._median(system, name, "frames"), 1),
                        number(self._median(system, name, "own_cpu")),
                    ]
                )
        note = (
            "A thousand watchers subscribe to all topics.  The daemon gets the tokens as streams, "
            "the other systems as one message for each.  A system holds the load if every watcher "
            f"has every text as it was written, and the p99 is at most {LATE:,} ms.  Times are "
            "from before a token was written to after the frame with it arrived.  CPU, KiB and "
            "frames are a second's; the last two are of one watcher."
        )
        header = (
            *("load", "system", "holds", "right", "tokens/s", "p50 ms", "p99 ms", "CPU %"),
            *("KiB", "frames", "load CPU %"),
        )
        return Table("Token streams", note, header, rows, 3)

    def _marks(self) -> Table:
        rows = [
            mark.row()
            for judged in (judge, judgeRooms, judgeIdle, judgeKept, judgeTokens)
            for mark in judged(self._results)
        ]
        note = "The daemon and its marks; each ratio is of medians of the same run."
        return Table(MARKS, note, HEADER, rows, 1)


def versions(results: Results) -> list[str]:
    """
    Return the versions of the systems, and the failures.
    """
    told = [f"{results.labels[name]}: {version}" for name, version in results.versions.items()]
    for system, measurement, reason in results.failures:
        told.append(f"{results.labels[system]}, {measurement}: FAILED, {reason}")
    return told


def intro(results: Results, plan: Plan) -> str:
    """
    Return the time and the machine in one sentence.
    """
    times = f"the median of {plan.rounds} runs" if plan.rounds > 1 else "one run"
    return f"{results.began:%d %B %Y}, {machine()}.  Each number is {times}."


def asText(results: Results, plan: Plan) -> str:
    """
    Format for a terminal.
    """
    written = ["", intro(results, plan), *versions(results)]
    for table in Reporter(results, plan).tables():
        written += ["", f"{table.title}: {table.note}", *lines(table)]
    return "\n".join(written)


def asRst(results: Results, plan: Plan, picture: str | None) -> str:
    """
    Format for the documentation: parts of a section of C{docs/performance.rst}, the marks first.

    @param picture: The name of the file with the picture of small rooms; L{None} if there is none.
    """
    written = [intro(results, plan), "", *(f"- {line}" for line in versions(results))]
    tables = Reporter(results, plan).tables()
    for table in sorted(tables, key=lambda table: table.title != MARKS):
        written += ["", table.title, "~" * len(table.title), "", table.note, ""]
        if picture and table.title == ROOMS:
            written += [f".. image:: {picture}", f"   :alt: {ALT}", ""]
        written += lines(table)
    return "\n".join(written) + "\n"
