"""
Install the daemon's peers, drive each of them and the daemon with the same load, and print a
comparison and the daemon's marks.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from certificate import makeCertificate
from curves import curves, draw
from generator import Generator
from plan import QUICK, Bench, Plan, Run
from processes import Failed, raiseLimits, separate
from report import asRst, asText
from results import Results
from scenes import SCENES, has, runs
from system import NotInstalled, System
from systems import SYSTEMS

DESCRIPTORS = 10_000 + 500


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """
    Read the command line.
    """
    names = [system.name for system in SYSTEMS]
    parser = argparse.ArgumentParser(prog="delivery.py", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to FILE")
    parser.add_argument("--rst", type=Path, metavar="FILE", help="write the tables to FILE")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="draw the p99 in small rooms to FILE, as SVG"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run of a minute or two: the daemon and ws"
    )
    parser.add_argument(
        "--only", type=_among(names), metavar="SYSTEM,...", help=f"of {', '.join(names)}"
    )
    parser.add_argument(
        "--scenes",
        type=_among(SCENES),
        metavar="SCENE,...",
        default=list(SCENES),
        help=f"of {', '.join(SCENES)}",
    )
    parser.add_argument("--rounds", type=int, help="runs of each scene; the median counts (3)")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIRECTORY",
        default=cache / "aerostack-rt-bench",
        help="the directory for the peers (%(default)s)",
    )
    return parser.parse_args(arguments)


def _among(known: Sequence[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        given = text.split(",")
        for name in given:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is not one of {', '.join(known)}")
        return given

    return names


def needed(wanted: Sequence[str], scenes: Sequence[str], plan: Plan) -> list[str]:
    """
    Return those of some systems for which there is a run.
    """
    names = [name for scene in scenes for name in runs(scene, plan)]
    kinds = [kind for kind in SYSTEMS if kind.name in wanted]
    return [kind.name for kind in kinds if any(has(kind, name) for name in names)]


def install(wanted: Sequence[str], cache: Path, results: Results) -> list[System]:
    """
    Install systems; record those that cannot be installed.
    """
    installed = []
    for kind in SYSTEMS:
        if kind.name not in wanted:
            continue
        say(f"installing {kind.name}")
        system = kind(cache)
        results.labels[kind.name] = kind.label
        try:
            results.versions[kind.name] = system.install()
        except NotInstalled as reason:
            results.fail(kind.name, "install", str(reason))
            say(f"{kind.name} is left out: {reason}")
        else:
            installed.append(system)
    return installed


def measure(
    bench: Bench, systems: Sequence[System], scenes: Sequence[str], results: Results
) -> None:
    """
    Do every run with every system, for a number of rounds.

    Within a round, the systems follow each other in every run, so that other load on the machine
    affects all of them alike.
    """
    for turn in range(bench.plan.rounds):
        first = turn % len(systems)
        order = [*systems[first:], *systems[:first]]
        for scene in scenes:
            for name, run in runs(scene, bench.plan).items():
                for system in order:
                    if has(system, name):
                        measureOne(bench, system, name, run, results)
        say(f"round {turn + 1} of {bench.plan.rounds} is done")


def measureOne(bench: Bench, system: System, name: str, run: Run, results: Results) -> None:
    """
    Do one run with one system.
    """
    began = time.monotonic()
    try:
        for measurement, values in run(bench, system):
            results.add(system.name, measurement, values)
    except Failed as failed:
        results.fail(system.name, name, str(failed))
        say(f"{system.name} {name} failed: {failed}")
    else:
        say(f"{system.name} {name}: {time.monotonic() - began:.0f} s")


def say(text: str) -> None:
    """
    Print progress.
    """
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """
    Run the benchmark.

    @return: The exit status; it is 0 even if a mark is missed.
    """
    options = parse(sys.argv[1:])
    # The context ends all servers, whatever happens.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if raiseLimits() < DESCRIPTORS:
        say(f"fewer than {DESCRIPTORS} files may be open: 10,000 subscribers cannot connect")
    if not separate():
        say("there is one processor: servers and the load generator share it")
    options.cache.mkdir(parents=True, exist_ok=True)
    cache = options.cache.resolve()
    plan = QUICK if options.quick else Plan()
    if options.rounds:
        plan = Plan(**{**vars(plan), "rounds": options.rounds})
    everything = [system.name for system in SYSTEMS]
    wanted = ["aerostack", "aerostack-postgresql", "ws"] if options.quick else everything
    results = Results()
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as directory:
        try:
            bench = Bench(Generator(cache), plan, makeCertificate(Path(directory)))
        except Failed as failed:
            say(str(failed))
            return 1
        wanted = needed(options.only or wanted, options.scenes, plan)
        systems = install(wanted, cache, results)
        if not systems:
            return 1
        try:
            measure(bench, systems, options.scenes, results)
        except KeyboardInterrupt:
            say("interrupted; these are the results so far")
    if options.json:
        options.json.write_text(json.dumps(results.asDict(), indent=1) + "\n")
    panels = curves(results, plan)
    picture = options.plot.name if options.plot and panels else None
    if picture:
        options.plot.write_text(draw(panels))
    if options.rst:
        options.rst.write_text(asRst(results, plan, picture))
    print(asText(results, plan))
    return 0


if __name__ == "__main__":
    sys.exit(main())
