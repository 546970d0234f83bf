"""
The options that commands share: the daemon's address, and the credentials.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
from pathlib import Path
from typing import Any

from aerostack.client.outgoing import encodeGiven
from aerostack.config.parts import Parts

CONFIGS = (Path("etc/rt.toml"), Path("/etc/aerostack-rt/rt.toml"))


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class CommandError(Exception):
    """
    A command cannot do what it was asked; the message says why.
    """


def addConfig(parser: argparse.ArgumentParser) -> None:
    """
    Declare the option for the configuration.
    """
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        help=f"the daemon's configuration; {' or '.join(map(str, CONFIGS))} if not given",
    )


def orElse(alternative: str) -> str:
    """
    Say what else to do where a credential of the configuration cannot be read.

    @param alternative: What the person can give instead.
    """
    root = "" if os.geteuid() == 0 else "run this as root, or "
    return f"; {root}give {alternative}"


def addAddress(parser: argparse.ArgumentParser, token: bool = True) -> None:
    """
    Declare the options for the daemon's address and the credentials.

    @param token: Whether the command can use a token.
    """
    parser.add_argument("--url", help="the daemon, such as wss://rt.example.com")
    parser.add_argument(
        "--ca",
        type=Path,
        metavar="PEM",
        help="certificates to trust beside those of the machine, of a private authority perhaps",
    )
    parser.add_argument("--project", help="the project's id")
    parser.add_argument("--key", help="an API key; better in AEROSTACK_KEY")
    if token:
        parser.add_argument("--token", help="a JWT; better in AEROSTACK_TOKEN")
    addConfig(parser)


def addJSON(parser: argparse.ArgumentParser) -> None:
    """
    Declare the option for output for a program.
    """
    parser.add_argument("--json", action="store_true", help="JSON lines, on a terminal too")


USUAL_TIMEOUT = 10.0
"""How many seconds a command waits for an answer, if nothing else is said."""


def addTimeout(
    parser: argparse.ArgumentParser,
    usual: float | None = USUAL_TIMEOUT,
    said: str | None = None,
) -> None:
    """
    Declare the option for the time-out.

    @param usual: The seconds, if the option is not given; L{None} if the command decides.
    @param said: The same for the help; L{None} for that number.
    """
    parser.add_argument(
        "--timeout",
        type=positive,
        default=usual,
        metavar="SECONDS",
        help=f"how long to wait for an answer; {said or f'{usual:g}'}",
    )


def positive(text: str) -> float:
    """
    Read a number of seconds.

    @raise argparse.ArgumentTypeError: The text is no number above 0.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def count(text: str) -> int:
    """
    Read a number of frames or lines.

    @raise argparse.ArgumentTypeError: The text is no whole number.
    """
    if re.fullmatch(r"[0-9]{1,15}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def duration(text: str) -> int:
    """
    Read a duration.

    @return: Seconds.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,9})([smhd]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 15m, 12h or 7d")
    return int(found[1]) * _UNITS[found[2]]


def configOf(given: Path | None) -> Path:
    """
    Find the configuration.

    @param given: Its path; L{None} to look where it usually is.
    @raise CommandError: There is no configuration.
    """
    found = given or next(filter(_isThere, CONFIGS), None)
    if found is None:
        raise CommandError("there is no configuration here; give --config, or --url and --key")
    return found


def _isThere(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        # Only the daemon's user may look into the directory.  Reading the file reports that.
        return True
    except OSError:
        return False
    return True


def partsOf(given: Path | None) -> Parts:
    """
    Open the configuration.

    @param given: See L{configOf}.
    @raise CommandError: There is no configuration.
    @raise ConfigError: It is no TOML.
    """
    return Parts(configOf(given), os.environ)


def readJSON(text: str, what: str) -> Any:
    """
    Read JSON that a person typed.

    @raise CommandError: The text is not JSON, or the daemon would refuse it.
    """
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_readInteger)
    except RecursionError:
        raise CommandError(f"{what} is no JSON that can be sent: it is nested too deeply") from None
    except ValueError as error:
        raise CommandError(f"{what} is no JSON: {error}") from None
    try:
        encodeGiven(value, what)
    except ValueError as error:
        raise CommandError(f"{what} is no JSON that can be sent: {error}") from None
    return value


def _readInteger(digits: str) -> int:
    # Python refuses integers of thousands of digits; a double has at most this many.
    if len(digits) > 310:
        raise ValueError("it has an integer beyond the largest double; send it as text")
    return int(digits)


def _refuse(constant: str) -> None:
    # NaN and infinities are Python's extension of JSON.
    raise ValueError(f"it has {constant}")
