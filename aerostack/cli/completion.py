"""
C{completion}: write what lets a shell complete the commands and their options.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from aerostack.cli import COMMANDS, makeParser
from aerostack.cli.output import Output

SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """
    Declare the options of the command.
    """
    parser.description = (
        "Writes a script that lets a shell complete commands, options and file names. bash reads"
        " it from /usr/share/bash-completion/completions/aerostack-rt, zsh from _aerostack-rt in a"
        " directory of $fpath, fish from ~/.config/fish/completions/aerostack-rt.fish."
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    Output(json=True).line(scriptFor(options.shell))


def scriptFor(shell: str) -> str:
    """
    Make the script for a shell.

    @param shell: One of L{SHELLS}.
    """
    # No other command needs it.
    import shtab

    parser = makeParser(COMMANDS)
    for each in _parsers(parser):
        for action in each._actions:
            if action.type is Path:
                # This is how shtab learns what completes a value.
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell, root_prefix="aerostack_rt"))


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parser, and those of its commands."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found.extend(action.choices.values())
    return found
