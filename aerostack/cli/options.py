"""
The options that commands share: the daemon's address, and the credentials.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from aerostack.client.address import Address, addressOf
from aerostack.client.blocking import BlockingSDK
from aerostack.client.outgoing import encodeGiven
from aerostack.config.loader import load
from aerostack.settings.settings import Config

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


def addAddress(parser: argparse.ArgumentParser, token: bool = True) -> None:
    """
    Declare the options for the daemon's address and the credentials.

    @param token: Whether the command can use a token.
    """
    parser.add_argument("--url", help="the daemon, such as wss://rt.example.com")
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


def addTimeout(parser: argparse.ArgumentParser) -> None:
    """
    Declare the option for the time-out.
    """
    parser.add_argument(
        "--timeout", type=positive, default=10.0, help="seconds to wait for an answer; 10"
    )


def positive(text: str) -> float:
    """
    Read a number of seconds.
    """
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError
    return value


def duration(text: str) -> int:
    """
    Read a duration.

    @return: Seconds.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,9})([smhd]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 90s, 15m, 12h or 7d")
    return int(found[1]) * _UNITS[found[2]]


def loadConfig(given: Path | None) -> Config:
    """
    Read the configuration.

    @raise CommandError: There is no configuration.
    """
    found = given or next((path for path in CONFIGS if path.exists()), None)
    if found is None:
        raise CommandError("there is no configuration here; give --config, or --url and --key")
    return load(found, os.environ)


def addressFor(options: argparse.Namespace, secret: bool = False) -> Address:
    """
    Find the daemon's address and the credentials.

    @param secret: Whether to connect as a server, with the configuration's secret key.
    """
    key = options.key or os.environ.get("AEROSTACK_KEY")
    token = getattr(options, "token", None) or (
        None if secret else os.environ.get("AEROSTACK_TOKEN")
    )
    if options.url:
        return Address(options.url, options.project, key=key, token=token)
    config = loadConfig(options.config)
    address = addressOf(config, options.project, secret and key is None)
    return replace(address, key=key or address.key, token=token)


def sdkFor(options: argparse.Namespace, secret: bool = False, retry: bool = False) -> BlockingSDK:
    """
    Make the SDK that sends each HTTP request within the command's time-out.

    @param secret: See L{addressFor}.
    @param retry: Whether to send one again that the daemon has not acted on.
    """
    address = addressFor(options, secret)
    return BlockingSDK(
        address.url,
        address.key,
        projectId=address.projectId,
        token=address.token,
        timeout=options.timeout,
        retry=retry,
    )


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
