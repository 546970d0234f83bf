"""
Producers that are processes of their own, and are killed while they stream.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from killplan import Plan
from processes import Failed
from streamtexts import Script
from streamwriters import Desk
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.threads import deferToThread

PROGRAM = Path(__file__).with_name("tokenwriter.py")

LANES = 6
"""How many processes stream at the same time."""

MOST = 60
"""How many words a process writes at the most before it is killed."""


async def producers(desk: Desk, topic: str, plan: Plan) -> int:
    """
    Kill processes that stream.  After some deaths another process goes on.

    @return: How many were killed.
    """
    killed = 0

    async def lane(number: int) -> None:
        nonlocal killed
        while plan.goesOn(killed):
            killed += 1
            await _one(desk, topic, ("frames", "calls")[killed % 2])

    lanes = [Deferred.fromCoroutine(lane(number)) for number in range(LANES)]
    for succeeded, result in await DeferredList(lanes, consumeErrors=True):
        if not succeeded:
            result.raiseException()
    return killed


async def _one(desk: Desk, topic: str, way: str) -> None:
    """Let a process begin a stream, and kill it; perhaps another one goes on."""
    script = desk.begin(topic, way[0], MOST, 2 * MOST)
    script.keepsAll = True
    process = _start(desk, script, way)
    try:
        await deferToThread(_read, process, script, desk.chance.randint(1, MOST))
    finally:
        process.kill()
        script.left = time.time()
        # What it has said of acknowledgements until then counts too.
        await deferToThread(_read, process, script, None)
        process.wait()
    if desk.chance.random() < 0.5:
        await desk.sleep(desk.chance.uniform(0, script.lease - 1))
        script.left = None
        process = _start(desk, script, way)
        try:
            await deferToThread(_read, process, script, None)
        finally:
            process.kill()
            process.wait()
        if script.state != "done":
            raise Failed(f"{script.name}: the process that went on has not ended the stream")


def _start(desk: Desk, script: Script, way: str) -> subprocess.Popen[str]:
    count, lease = script.whole.count(" "), int(script.lease)
    arguments = (desk.ports[0], way, script.name, script.topic, count, lease)
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def _read(process: subprocess.Popen[str], script: Script, lines: int | None) -> None:
    """Read what a process says of its stream, a number of lines or until it ends."""
    assert process.stdout is not None, "it is a pipe"
    while lines is None or lines > 0:
        said = process.stdout.readline().strip()
        if not said:
            return
        if said.isdigit():
            script.acked = max(script.acked, int(said))
        else:
            script.state = said
        lines = None if lines is None else lines - 1
