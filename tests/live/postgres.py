"""
A daemon on PostgreSQL, for tests.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import formatEvent, globalLogPublisher

from aerostack.settings.settings import Config, DatabaseConfig
from tests.live.daemon import DaemonTests
from tests.postgres import PASSWORD, Database, freshDatabase

PUBLISH = {"type": "publish", "topic": "chat/a", "event": "e", "persist": True}


class PostgresDaemonTests(DaemonTests):
    """
    Runs a daemon on a PostgreSQL database of its own, by TCP and with a password.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        self.postgres = self.makeDatabase()
        self.logged: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)
        await super().setUp()
        # The database is dropped when the test is over, before C{tearDown}.
        self.addCleanup(lambda: Deferred.fromCoroutine(self.stop()))

    def makeDatabase(self) -> Database:
        """
        Create the daemon's database.
        """
        return freshDatabase(self)

    def observe(self, event: dict[str, Any]) -> None:
        """
        Record the log.
        """
        self.logged.append(f"{formatEvent(event)} {event.get('log_failure')}")

    def config(self) -> Config:
        return replace(super().config(), database=DatabaseConfig(self.postgres.tcp(), PASSWORD))

    def execute(self, *statements: str) -> None:
        self.postgres.execute(*statements)

    async def untilAnswered(self, wanted: Any, answered: Any) -> Any:
        """
        Ask repeatedly until the answer is the wanted one.
        """
        while True:
            answer = await answered()
            if answer == wanted:
                return
            await self.sleep(0.05)
