"""What commands of the command line are made of."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from monitor.cli.usage import Parser

#: the type that `add_subparsers` returns; argparse has no public name for it
Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"


def add_command(subparsers: Subparsers, name: str, does: str, *examples: str) -> Parser:
    """Add a command with its description and examples."""
    epilog = "\n".join(["examples:" if len(examples) > 1 else "example:", *(f"  {example}" for example in examples)])
    form = argparse.RawDescriptionHelpFormatter  # keeps the lines of the examples
    return subparsers.add_parser(
        name, help=does, description=does, epilog=epilog, formatter_class=form, allow_abbrev=False
    )


def with_config(subparser: argparse.ArgumentParser) -> None:
    """Give a command its settings file."""
    subparser.add_argument("--config", required=True, metavar="FILE", help="the settings file")
