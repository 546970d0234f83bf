"""
The mistakes in a configuration, which are reported all at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """
    One mistake in a configuration.

    @ivar key: The dotted key, or the file's path if the mistake is in no single key.
    @ivar message: What was found and what is allowed.  It never shows a credential.
    """

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


class ConfigError(Exception):
    """
    A configuration has mistakes.

    @ivar problems: Every L{Problem} of the configuration.
    """

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class Problems:
    """
    Gathers the mistakes of one configuration.

    @ivar found: Every mistake so far.
    """

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, key: str, message: str) -> None:
        """
        Note a mistake.

        @param key: The dotted key.
        @param message: See L{Problem}.
        """
        self.found.append(Problem(key, message))

    def has(self, *keys: str) -> bool:
        """
        Whether one of some keys has a mistake already.
        """
        return any(problem.key in keys for problem in self.found)
