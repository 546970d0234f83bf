"""
A daemon with a model, whose server runs in the test.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from twisted.internet.utils import getProcessOutputAndValue
from twisted.web.server import Site

from aerostack.settings.ai import AIConfig, ModelConfig
from aerostack.settings.projects import ProjectConfig
from aerostack.settings.settings import Config
from aerostack.testing import makeProject
from aerostack.testing.models import ModelServer
from tests.live.daemon import ORIGIN, DaemonTests
from tests.web import HERE, program

GATEWAY = "/api/gateway/default/v1/chat/completions"

HELLO = [{"role": "user", "content": "Hello"}]


class ModelTests(DaemonTests):
    """
    Runs a daemon that may ask one model.

    @ivar model: The model's server.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        from twisted.internet import reactor

        clock: Any = reactor
        self.model = ModelServer(clock)
        listener = clock.listenTCP(0, Site(self.model), interface="127.0.0.1")
        self.addCleanup(listener.stopListening)
        self.modelURL = f"http://127.0.0.1:{listener.getHost().port}/v1/chat/completions"
        await super().setUp()

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            "p": makeProject(origins=(ORIGIN,), models=("default",)),
            "bare": makeProject(id="bare", publicKey="pk_of_bare_89abcdef", secretKey=None),
        }

    def modelConfig(self) -> ModelConfig:
        """
        How the daemon asks the model.
        """
        # A test lets the model wait for as long as its own steps take.
        return ModelConfig(self.modelURL, "sk-upstream", "large", idle=600.0)

    def config(self) -> Config:
        models = {"default": self.modelConfig(), "other": self.modelConfig()}
        return replace(super().config(), ai=AIConfig(models=models))

    async def node(self, script: str, *arguments: str) -> str:
        """
        Run a script of C{tests/web/apps} with Node.js.

        @return: What it has written.
        """
        command = program("node"), [f"apps/{script}", *arguments]
        return await self.runProgram(*command)

    async def python(self, script: str, *arguments: str) -> str:
        """
        Run a script of C{tests/web/apps} with Python.

        @return: What it has written.
        """
        return await self.runProgram(sys.executable, [f"apps/{script}", *arguments])

    async def runProgram(self, executable: str, arguments: list[str]) -> str:
        """
        Run a program in C{tests/web}.

        @return: What it has written.
        """
        output, errors, status = await getProcessOutputAndValue(
            executable, arguments, env={"PATH": ""}, path=str(HERE)
        )
        self.assertEqual((errors.decode(), status), ("", 0), output.decode())
        written: str = output.decode()
        return written
