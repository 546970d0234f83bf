"""
The command line, a module a command.

Begin with L{main}, which finds the command.  Most commands use the Python client, which
L{aerostack.cli.talk} opens by the options of L{aerostack.cli.options}.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import NoReturn

from aerostack import __version__
from aerostack.cli.interrupts import Interrupted, endAtOnce, endBy
from aerostack.cli.output import say

COMMANDS = {
    "init": "write a configuration, for this machine or for a server",
    "tail": "show what happens on tables and topics",
    "emit": "send an event as a server does",
    "publish": "send an event as a user does",
    "presence": "show who is on a topic",
    "history": "show what was kept of a topic",
    "token": "make a token for a user",
    "disconnect": "close a user's connections, and refuse the user's tokens",
    "status": "ask whether the daemon does its work",
    "types": "write the types of the tables' rows, for TypeScript",
    "why": "find out why something did not arrive",
    "console": "say where the console is",
    "reload": "let the daemon read its configuration again",
    "completion": "write what lets a shell complete commands and options",
    "detach": "take everything of the daemon's out of the database",
}
"""Every command, which is a module of this package, and what it does."""

# Advice for errors of the client whose messages give none.
_ADVICE = {
    "unreachable": "is the daemon running there?",
    "tls_failed": "is --url the certificate's host, and --ca the authority's certificate?",
    "timed_out": "is --url the daemon's?",
    "bad_answer": "is --url the daemon's?",
    "unauthorized": "give another --key, or a --token",
    "invalid_token": "give another --token",
    "token_expired": "give another --token",
    "token_revoked": "give another --token",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    @param arguments: The arguments after the program's name; L{None} for those of the process,
        which then ends by the signal that interrupts the command.
    @return: The exit status: 0 for done, 1 for not done, 2 for misuse, 130 if it was interrupted.
    """
    isProgram = arguments is None
    if arguments is None:
        endAtOnce()
        arguments = sys.argv[1:]
    # Only the command that is named is loaded, because some take long to load.
    named = next((given for given in arguments if not given.startswith("-")), "")
    options = makeParser([named]).parse_args(arguments)
    # Imported late, so that a misspelt command fails at once.
    from aerostack.cli.options import CommandError
    from aerostack.client.errors import ClientError
    from aerostack.config.problems import ConfigError

    try:
        options.run(options)
    except ConfigError as error:
        for problem in error.problems:
            say(str(problem))
        return 1
    except ClientError as error:
        advice = _ADVICE.get(error.code)
        say(f"{error}; {advice}" if advice else str(error))
        return 1
    except (CommandError, ValueError) as error:
        say(str(error))
        return 1
    except Interrupted as interrupted:
        if isProgram:
            endBy(interrupted.number)
        return 128 + interrupted.number
    return 0


class _Parser(argparse.ArgumentParser):
    """
    Reports what is wrong with the arguments in one line, as the commands report their errors.
    """

    def error(self, message: str) -> NoReturn:
        say(f"{message}; see {self.prog} --help")
        sys.exit(2)


def makeParser(loaded: Collection[str]) -> argparse.ArgumentParser:
    """
    Make the parser of the arguments.

    @param loaded: The commands whose options it knows.
    """
    parser = _Parser(
        prog="aerostack-rt", description="Talks to an aerostack-rt daemon, and cleans up after it."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name in loaded:
            import_module(f"aerostack.cli.{name}").configure(command)
    return parser
