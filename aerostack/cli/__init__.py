"""
The command line, a module a command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from aerostack import __version__
from aerostack.cli import detach, emit, history, presence, publish, status, tail, token
from aerostack.cli.options import CommandError
from aerostack.cli.output import say
from aerostack.client.errors import ClientError
from aerostack.config import ConfigError

# In the order in which the help shows them.
_COMMANDS = (tail, emit, publish, presence, history, token, status, detach)

# What to do about what a client cannot do, where its message does not say it.
_ADVICE = {
    "unreachable": "is the daemon running, and is it there?",
    "timed_out": "is --url the daemon's?",
    "bad_answer": "is --url the daemon's?",
    "unauthorized": "give another --key, or a --token",
    "invalid_token": "give another --token",
    "token_expired": "give another --token",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    @param arguments: Those behind the program's name; L{None} for the process's.
    @return: The exit status: 0 for done, 1 for not done, 2 for misuse.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ConfigError as error:
        # Many lines, and all of them ours.
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="aerostack-rt", description="Talks to an aerostack-rt daemon, and cleans up after it."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
