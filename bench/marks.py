"""
The daemon's marks, and whether it reaches them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from results import Results
from scenes import BUSY, windows
from systems import MEBIBYTE, OUTBOX_BYTES

OURS = "aerostack"
KIBIBYTE = 1024


@dataclass(frozen=True)
class Mark:
    """
    One mark, in words, and whether it is reached.

    @ivar reached: L{None} for a number without a mark.
    """

    what: str
    ours: str
    against: str
    ratio: str
    wanted: str
    reached: bool | None

    def row(self) -> Sequence[str]:
        """
        Return the cells of its row in a table with L{HEADER}.
        """
        verdict = "-" if self.reached is None else "yes" if self.reached else "NO"
        return (self.what, self.ours, self.against, self.ratio, self.wanted, verdict)


HEADER = ("what", "ours", "against", "ratio", "mark", "reached")


def judge(results: Results) -> Iterator[Mark]:
    """
    Compare the results with the marks.  A mark whose peer has no result is left out.  If the
    daemon failed, its mark is missed.
    """
    for system, measurement, _ in results.failures:
        if system == OURS:
            yield Mark(measurement, "failed", "-", "-", "-", False)
    yield from _overload(results)
    yield from _latency(results)
    yield from _memory(results)
    yield from _crowd(results)
    yield from _stall(results)
    yield from _resume(results)


def _peers(results: Results, measurement: str, **wanted: float) -> Iterator[tuple[str, str, float]]:
    for system, ratio in wanted.items():
        if results.has(OURS, measurement) and results.has(system, measurement):
            yield system, results.labels[system], ratio


def _overload(results: Results) -> Iterator[Mark]:
    names = [f"fanout/1000/overload/{window}" for window in windows(1_000)]
    most: dict[str, float] = {}
    for system in results.labels:
        best = results.best(system, names, "deliveries")
        if best is not None:
            most[system] = results.median(system, best, "deliveries") or 0
    wanted = {"ws": 4, "socketio": 8, "centrifuge": 1, "centrifuge-delay": 1, "uws": 0.3}
    for system, ratio in wanted.items():
        if OURS in most and most.get(system):
            found = most[OURS] / most[system]
            yield Mark(
                "deliveries/s at overload, 1,000 subscribers",
                f"{most[OURS]:,.0f}",
                f"{most[system]:,.0f} {results.labels[system]}",
                f"{found:.2f}",
                f">= {ratio:g}",
                found >= ratio,
            )


def _latency(results: Results) -> Iterator[Mark]:
    name = "fanout/1000/busy"
    for system, label, _ in _peers(results, name, ws=1, centrifuge=1):
        ours = results.median(OURS, name, "p99") or 0
        theirs = results.median(system, name, "p99") or 0
        yield Mark(
            f"p99 at {BUSY:,} deliveries/s",
            f"{ours:.1f} ms",
            f"{theirs:.1f} ms {label}",
            f"{ours / theirs:.2f}",
            "<= 1",
            ours <= theirs,
        )


def _memory(results: Results) -> Iterator[Mark]:
    name = "crowd/plain"
    what = "idle memory per subscribed connection"
    ours = (results.median(OURS, name, "memory") or 0) / KIBIBYTE
    if results.has(OURS, name):
        told = f"{ours:.1f} KiB"
        yield Mark(what, told, "15 KiB", f"{ours / 15:.2f}", "<= 1", ours <= 15)
    for system, label, ratio in _peers(results, name, socketio=1, centrifuge=0.5):
        theirs = (results.median(system, name, "memory") or 0) / KIBIBYTE
        found = ours / theirs
        told = f"{theirs:.1f} KiB {label}"
        yield Mark(what, f"{ours:.1f} KiB", told, f"{found:.2f}", f"<= {ratio:g}", found <= ratio)


def _crowd(results: Results) -> Iterator[Mark]:
    for name, how, peers in (
        ("crowd/plain", "500 at once", {"ws": 1, "socketio": 1}),
        ("crowd/storm", "all at once", {"ws": 1, "socketio": 1}),
        ("crowd/tls", "TLS, 500 at once", {"centrifuge": 1}),
    ):
        what = f"clients that connect and subscribe, {how}"
        for system, label, ratio in _peers(results, name, **peers):
            ours = results.median(OURS, name, "rate") or 0
            theirs = results.median(system, name, "rate") or 0
            yield Mark(
                what,
                f"{ours:,.0f}/s",
                f"{theirs:,.0f}/s {label}",
                f"{ours / theirs:.2f}",
                f">= {ratio:g}",
                ours >= ratio * theirs,
            )
        if results.has(OURS, name):
            out = results.values(OURS, name, "refused") + results.values(OURS, name, "failed")
            clients = results.median(OURS, name, "clients") or 0
            told = f"{sum(out):.0f} refused"
            yield Mark(what, told, f"of {clients:,.0f}", "-", "0", not sum(out))


def _stall(results: Results) -> Iterator[Mark]:
    name = "stall/stalled"
    if not results.has(OURS, name):
        return
    ratio = results.median(OURS, name, "ratio") or 0
    ours = results.median(OURS, name, "p99") or 0
    theirs = results.median(OURS, "stall/reading", "p99") or 0
    yield Mark(
        "one stalled reader: p99 of the others",
        f"{ours:.1f} ms",
        f"{theirs:.1f} ms without",
        f"{ratio:.2f}",
        "<= 1.1",
        ratio <= 1.1,
    )
    grown = (results.median(OURS, name, "growth") or 0) / MEBIBYTE
    bound = OUTBOX_BYTES / MEBIBYTE
    yield Mark(
        "one stalled reader: memory",
        f"{grown:.1f} MiB",
        f"its bound, {bound:g} MiB",
        f"{grown / bound:.2f}",
        "<= 1",
        grown <= bound,
    )


def _resume(results: Results) -> Iterator[Mark]:
    if not results.has(OURS, "resume"):
        return
    whole = min(results.values(OURS, "resume", "whole"))
    clients = results.median(OURS, "resume", "clients") or 0
    yield Mark(
        "resume: clients with every event, once, in order",
        f"{whole:,.0f}",
        f"{clients:,.0f}",
        f"{whole / clients:.2f}",
        "1",
        whole == clients,
    )
