"""
The daemon's marks for token streams, and whether it reaches them.
"""

from __future__ import annotations

from collections.abc import Iterator

from marks import KIBIBYTE, OURS, Mark
from results import Results
from systems import MEBIBYTE
from tokens import LADDER, SPREAD, TOP, Rung

LATE = 1_000
"""Milliseconds.  A system whose p99 is above does not hold a load: its delay grows with time."""

MESSAGE = 2 * KIBIBYTE
"""How many bytes may come with a text beside a twentieth of it."""


def holds(results: Results, system: str, rung: Rung) -> bool:
    """
    Whether a system holds a load: each watcher has the whole text, and in time.
    """
    name = f"tokens/{rung.name}"
    right = min(results.values(system, name, "right"))
    delays = results.values(system, name, "p99")
    return right == _watchers(results, system, rung) and max(delays) <= LATE and min(delays) >= 0


def judgeTokens(results: Results) -> Iterator[Mark]:
    """
    Compare the results with the marks.  A mark without a result is left out.
    """
    yield from _rung(results, TOP, p50=35, p99=80, cpu=60)
    yield from _rung(results, SPREAD, p99=120, cpu=75)
    yield from _peers(results)
    yield from _late(results)
    yield from _joins(results)
    yield from _stalled(results)


def _watchers(results: Results, system: str, rung: Rung) -> float:
    return results.median(system, f"tokens/{rung.name}", "watchers") or 0


def _rung(results: Results, rung: Rung, **wanted: float) -> Iterator[Mark]:
    name = f"tokens/{rung.name}"
    if not results.has(OURS, name):
        return
    what = f"{rung}, 1,000 watchers"
    right = min(results.values(OURS, name, "right"))
    closed = max(results.values(OURS, name, "closed"))
    watchers = _watchers(results, OURS, rung)
    yield Mark(
        f"{what}: whole texts",
        f"{right:,.0f}",
        f"{closed:,.0f} closed",
        "-",
        f"{watchers:,.0f}, 0",
        right == watchers and not closed,
    )
    for field, most in wanted.items():
        found = results.median(OURS, name, field) or 0
        said = field if field != "cpu" else "CPU"
        unit = "%" if field == "cpu" else "ms"
        yield _atMost(f"{what}: {said}", found, most, unit, 0 if field == "cpu" else 1)


def _atMost(what: str, found: float, most: float, unit: str, digits: int = 1) -> Mark:
    return Mark(
        what,
        f"{found:,.{digits}f} {unit}",
        "-",
        f"{found / most:.2f}",
        f"<= {most:g} {unit}",
        found <= most,
    )


def _peers(results: Results) -> Iterator[Mark]:
    for system, label in results.labels.items():
        failed = [name for other, name, _ in results.failures if other == system]
        climbed = [rung for rung in LADDER if results.has(system, f"tokens/{rung.name}")]
        broken = [rung for rung in climbed if not holds(results, system, rung)]
        broken += [rung for rung in LADDER if f"tokens/{rung.name}" in failed]
        if system != OURS and (climbed or broken):
            first = min(broken, key=LADDER.index, default=None)
            said = "holds all" if first is None else f"not {first}"
            yield Mark("1,000 watchers", "-", f"{said}: {label}", "-", "-", None)
    yield from _against(results, "socketio", LADDER[0], "cpu", 0.5)
    yield from _against(results, "centrifuge-delay", TOP, "cpu", 1)
    yield from _against(results, "centrifuge-delay", TOP, "bytes", 0.8)


def _against(results: Results, peer: str, rung: Rung, field: str, most: float) -> Iterator[Mark]:
    ours, theirs = (_perToken(results, system, rung, field) for system in (OURS, peer))
    if ours is None or not theirs:
        return
    what, unit = ("processor time", "us") if field == "cpu" else ("bytes", "B")
    yield Mark(
        f"{rung}: {what} for a token and watcher",
        f"{ours:,.2f} {unit}",
        f"{theirs:,.2f} {unit} {results.labels[peer]}",
        f"{ours / theirs:.2f}",
        f"<= {most:g}",
        ours <= most * theirs,
    )


def _perToken(results: Results, system: str, rung: Rung, field: str) -> float | None:
    """Microseconds or bytes for each delivery, because a system may not hold the load."""
    name = f"tokens/{rung.name}"
    found = results.median(system, name, field)
    delivered = results.median(system, name, "deliveries")
    if found is None or not delivered:
        return None
    # Percents of a second, or bytes of each watcher.
    scale = 1e6 / 100 if field == "cpu" else _watchers(results, system, rung)
    return found * scale / delivered


def _late(results: Results) -> Iterator[Mark]:
    for how, said, most in (("idle", "idle", 50), ("loaded", f"beside {TOP}", 250)):
        name = f"tokens/late/{how}"
        if not results.has(OURS, name):
            continue
        what = f"join late at 100,000 tokens, {said}"
        clients = results.median(OURS, name, "clients") or 0
        right = min(results.values(OURS, name, "right"))
        yield _all(what, right, clients)
        yield _atMost(f"{what}, the slowest", results.median(OURS, name, "max") or 0, most, "ms")
        found = results.median(OURS, name, "ratio") or 0
        text = results.median(OURS, name, "text") or 1
        bound = 1.05 + MESSAGE / text
        yield Mark(
            f"{what}: bytes",
            f"{found * text / KIBIBYTE:,.0f} KiB",
            f"{text / KIBIBYTE:,.0f} KiB of text",
            f"{found:.3f}",
            "<= 1.05, + 2 KiB",
            found <= bound,
        )


def _all(what: str, right: float, clients: float) -> Mark:
    return Mark(
        f"{what}: whole texts",
        f"{right:,.0f}",
        f"{clients:,.0f}",
        f"{right / clients:.2f}",
        "1",
        right == clients,
    )


def _joins(results: Results) -> Iterator[Mark]:
    name = "tokens/joins/late"
    if not results.has(OURS, name):
        return
    clients = results.median(OURS, name, "clients") or 0
    what = f"{clients:,.0f} join late at once"
    yield _all(what, min(results.values(OURS, name, "right")), clients)
    yield _atMost(f"{what}, the slowest", (results.median(OURS, name, "max") or 0) / 1000, 10, "s")
    live = results.median(OURS, "tokens/joins/live", "p99") or 0
    yield _atMost(f"{what}: p99 of 1,000 watchers meanwhile", live, 150, "ms")
    grown = [
        most - before
        for most, before in zip(
            results.values(OURS, name, "most"), results.values(OURS, name, "before"), strict=True
        )
    ]
    yield _atMost(f"{what}: memory", max(grown) / MEBIBYTE, 32, "MiB")


def _stalled(results: Results) -> Iterator[Mark]:
    name = "tokens/stalled/stalled"
    if not results.has(OURS, name):
        return
    what = "one of 1,000 watchers stalls"
    ours = results.median(OURS, name, "p99") or 0
    theirs = results.median(OURS, "tokens/stalled/reading", "p99") or 0
    ratio = results.median(OURS, name, "ratio") or 0
    yield Mark(
        f"{what}: p99 of the others",
        f"{ours:.1f} ms",
        f"{theirs:.1f} ms before",
        f"{ratio:.2f}",
        "<= 1.1",
        ratio <= 1.1,
    )
    yield _atMost(
        "memory for one that stalls, by 200 of them",
        (results.median(OURS, name, "memory") or 0) / KIBIBYTE,
        64,
        "KiB",
    )
    clients = results.median(OURS, name, "stalled") or 1
    whole = min(results.values(OURS, name, "whole"))
    dropped = max(results.values(OURS, name, "dropped"))
    yield Mark(
        "stalled watchers that read again: whole texts",
        f"{whole:,.0f}",
        "some closed" if dropped else "0 closed",
        f"{whole / clients:.2f}",
        "1, 0",
        whole == clients and not dropped,
    )
