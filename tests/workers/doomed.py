"""
A hub that starts three workers, lets the first be busy, stops the second, prints their numbers and
kills itself.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from twisted.internet import reactor

from aerostack.workers.distribution import Distribution
from aerostack.workers.process import WorkerProcess
from aerostack.workers.supervisor import Supervisor
from tests.workers.samples import KINDS, Note
from tests.workers.supervised import Witness


class Doomed(Witness):
    """
    Kills this process when all workers serve.
    """

    def ready(self, worker: WorkerProcess) -> None:
        super().ready(worker)
        if len(self.serving) == 3:
            self.serving[0].channel.ask(Note("now"), 60).addCallback(self.end)

    def end(self, answer: Note) -> None:
        """
        Let one worker be busy and stop one.
        """
        busy, stopped, _ = self.serving
        os.kill(stopped.pid, signal.SIGSTOP)
        busy.channel.send(Note("about to be busy"))
        busy.channel.send(Note("be busy"))

    def received(self, worker: WorkerProcess, message: Note) -> None:
        print(json.dumps([worker.pid for worker in self.serving]), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    running: Any = reactor
    doomed = Doomed()
    Supervisor(
        running, 3, "tests.workers.bodies:obedient", KINDS, doomed, Distribution(running)
    ).start()
    running.run()
