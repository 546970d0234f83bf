"""
The command line, a module a command.

Begin with L{main}, which finds the command.  Most commands use the Python client, which
L{aerostack.cli.talk} opens by the options of L{aerostack.cli.options}.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from aerostack import __version__

COMMANDS = {
    "tail": "show what happens on tables and topics",
    "emit": "send an event as a server does",
    "publish": "send an event as a user does",
    "presence": "show who is on a topic",
    "history": "show what was kept of a topic",
    "token": "make a token for a user",
    "disconnect": "close a user's connections, and refuse the user's tokens",
    "status": "ask whether the daemon does its work",
    "why": "find out why something did not arrive",
    "console": "say where the console is",
    "detach": "take everything of the daemon's out of the database",
}
"""Every command, which is a module of this package, and what it does."""

# Advice for errors of the client whose messages give none.
_ADVICE = {
    "unreachable": "is the daemon running there?",
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

    @param arguments: The arguments after the program's name; L{None} for those of the process.
    @return: The exit status: 0 for done, 1 for not done, 2 for misuse.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _parser(arguments).parse_args(arguments)
    # Imported late, so that a misspelt command fails at once.
    from aerostack.cli.options import CommandError
    from aerostack.cli.output import say
    from aerostack.client.errors import ClientError
    from aerostack.config.problems import ConfigError

    try:
        options.run(options)
    except ConfigError as error:
        # The error has many lines, and all of them are ours.
        print(f"aerostack-rt: {error}", file=sys.stderr)
        return 1
    except ClientError as error:
        advice = _ADVICE.get(error.code)
        say(f"{error}; {advice}" if advice else str(error))
        return 1
    except (CommandError, ValueError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """
    @param arguments: The arguments.  Only the command that they name is loaded, because some
        commands take long to load.
    """
    parser = argparse.ArgumentParser(
        prog="aerostack-rt", description="Talks to an aerostack-rt daemon, and cleans up after it."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    named = next((given for given in arguments if not given.startswith("-")), None)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name == named:
            import_module(f"aerostack.cli.{name}").configure(command)
    return parser
