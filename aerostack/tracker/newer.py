"""
What an operator learns of a journal that a newer version of the daemon has made.
"""

from __future__ import annotations

from twisted.logger import Logger

from aerostack.tracker.faults import NewerJournal

COMMAND = "aerostack-rt detach --keep-history"
"""What takes a journal out of its database."""


class NewerNotice:
    """
    Reports such a journal: once in the log, and in a sentence for as long as it is there.

    @ivar sentence: The sentence, which clients may read; L{None} if there is no such journal.
    """

    log = Logger()

    def __init__(self, config: str) -> None:
        """
        @param config: The path of the configuration, for the log.
        """
        self.sentence: str | None = None
        self._config = config

    def found(self, error: NewerJournal) -> None:
        """
        Note that there is one.
        """
        if self.sentence is None:
            self.log.error(
                "no table can be followed: {error}.  Run the newer version again, or let it take"
                " its journal out: {command} --config {config}",
                error=error,
                command=COMMAND,
                config=self._config,
            )
        self.sentence = (
            f"The database {error.fault}, so no table can be followed. Run that version again, or"
            f" let it take its journal out: {COMMAND} (the log has the whole command)."
        )

    def over(self) -> None:
        """
        Note that there is none any more.
        """
        if self.sentence is not None:
            self.log.info("tables can be followed: the newer journal is gone")
            self.sentence = None
