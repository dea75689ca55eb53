"""The command `driftd`. Exit codes: 0 done, 1 a bug, 2 usage or settings, 3 --fail-on, 4 refused, 130 interrupted."""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Sequence
from typing import Final, TypeAlias

from monitor import __version__
from monitor.cli import commands
from monitor.errors import ExternalError, UsageError
from monitor.log import configure_logging
from monitor.visible import visible

DONE, BUG, USAGE, FAILED_ON, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 130

#: commands of the finished product that are refused by name until they are built
LATER: Final = ("bridge", "audit")


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose usage errors are ours."""

    def parse_known_args(  # type: ignore[override]  # without its overloads
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """An unknown option is told before what it leaves missing."""
        if self.prefix_chars == "-":
            self._refuse_unknown_options(list(args or ()))
        return super().parse_known_args(args, namespace)

    def _refuse_unknown_options(self, given: Sequence[str]) -> None:
        known = [name for action in self._actions for name in action.option_strings]
        commands = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        for word in given:
            if word == "--" or (commands and not word.startswith("-")):
                return
            name = word.split("=", 1)[0]
            if not re.fullmatch(r"--?[A-Za-z][\w-]*", name) or name in known:
                continue
            if any(option.startswith(name) if name.startswith("--") else name.startswith(option) for option in known):
                continue  # the beginning of one, or -oOUT
            near = difflib.get_close_matches(name, known, 1) or [option for option in known if option[2:3] == name[1:]]
            hint = f"did you mean {near[0]}?" if near else f"see {self.prog} --help"
            raise UsageError(f"no such option: {name}; {hint}")

    def error(self, message: str) -> None:  # type: ignore[override]  # the base class never returns; this one raises
        wrong = re.search(r"argument ([^:]+): invalid choice: '([^']*)' \(choose from (.*)\)", message)
        near = difflib.get_close_matches(wrong[2], re.findall(r"[\w-]+", wrong[3]), 1) if wrong else []
        if wrong:
            is_option = wrong[1].startswith("-")
            what = f"{wrong[1]}: {wrong[2]!r} is none of {wrong[3]}" if is_option else f"no such command: {wrong[2]}"
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"{what}; {hint}see {self.prog} --help")
        number = re.fullmatch(r"argument ([^:]+): invalid int value: ('.*')", message)
        if number:
            raise UsageError(f"{number[1]}: {number[2]} is no whole number; write digits alone, such as 10000")
        extra = re.fullmatch(r"unrecognized arguments: (.*)", message)
        if extra:
            raise UsageError(
                f"too many arguments: {extra[1]}; driftd run and check read the topics of the settings, driftd replay "
                "reads files; see driftd COMMAND --help"
            )
        raise UsageError(f"{message}; see {self.prog} --help")


#: what `add_subparsers` gives; argparse has no public name for it
_Subparsers: TypeAlias = "argparse._SubParsersAction[_Parser]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parsed = parser().parse_args(given)
        # to standard error: standard output is data. A command says in one line why Kafka does not answer
        configure_logging(level="warning", hushed=("kafka",))
        return int(parsed.command(parsed))
    except UsageError as error:
        for fault in error.faults:
            print(visible(f"driftd: {fault}"), file=sys.stderr)  # noqa: T201  # what a command says to a person
        return USAGE
    except ExternalError as error:
        print(visible(f"driftd: {error}"), file=sys.stderr)  # noqa: T201  # as above
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # the reader of our output has gone; what it did not want is no fault
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = _Parser(prog="driftd", description="A drift monitor for models in production.")
    top.add_argument("--version", action="version", version=f"driftd {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _run(subparsers)
    _demo(subparsers)
    _check(subparsers)
    _reference(subparsers)
    _replay(subparsers)
    _record(subparsers)
    _accept(subparsers)
    _state(subparsers)
    _rules(subparsers)
    _dashboards(subparsers)
    settings = subparsers.add_parser("settings", help="print every setting with its default and meaning")
    settings.set_defaults(command=commands.settings)
    version = subparsers.add_parser("version", help="versions of driftd and of what it is built on")
    version.add_argument("--json", action="store_true", help="as JSON")
    version.set_defaults(command=commands.version)
    for name in LATER:
        later = subparsers.add_parser(name, add_help=False, prefix_chars="\0")
        later.add_argument("rest", nargs="*")
        later.set_defaults(command=commands.later, name=name)
    return top


def _with_config(subparser: argparse.ArgumentParser) -> None:
    subparser.add_argument("--config", required=True, metavar="FILE", help="the settings file")


def _with_sources(subparser: argparse.ArgumentParser) -> None:
    subparser.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help=".jsonl, .csv, .records.jsonl (each also .gz, .zst), - for standard input, or kafka://topic?from=PLACE&to=PLACE",
    )
    subparser.add_argument("--sort", action="store_true", help="read .jsonl files in order of ts, as .csv always are")
    subparser.add_argument("--accept-partial", action="store_true", help="go on although more than half is lost")
    subparser.add_argument("--map", action="append", metavar="COLUMN=FIELD", help="a .csv column that is no feature")
    subparser.add_argument("--format", default="auto", help="how the records are written [auto: as the settings say]")


def _run(subparsers: _Subparsers) -> None:
    run = subparsers.add_parser("run", help="the daemon")
    _with_config(run)
    run.add_argument("--accept-loss", action="store_true", help="begin afresh, whatever state there is")
    run.set_defaults(command=commands.run)


def _demo(subparsers: _Subparsers) -> None:
    demo = subparsers.add_parser("demo", help="see it work: a broker, real flights, one fault, and what is said of it")
    demo.add_argument("--duration", type=float, metavar="S", help="end after S seconds [at Ctrl-C]")
    demo.add_argument("--json", action="store_true", help="JSON lines: the plan, transitions, a summary")
    demo.add_argument("--port", type=int, metavar="P", help="where the page is [9747, or any that is free]")
    demo.set_defaults(command=commands.demo)


def _check(subparsers: _Subparsers) -> None:
    check = subparsers.add_parser("check", help="settings, references and Kafka: what holds and what does not")
    _with_config(check)
    check.add_argument("--offline", action="store_true", help="do not ask Kafka")
    check.add_argument("--create-topics", action="store_true", help="make the output topics that are missing")
    check.set_defaults(command=commands.check)


def _reference(subparsers: _Subparsers) -> None:
    reference = subparsers.add_parser("reference", help="what a model version is compared with")
    kinds = reference.add_subparsers(title="commands", metavar="COMMAND", required=True)
    build = kinds.add_parser("build", help="from recorded events")
    _with_config(build)
    build.add_argument("--model", required=True, help="its name in the settings")
    build.add_argument("--version", default=None, help="its version [the only one of the settings]")
    build.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help="the first N predictions: of a topic by record time, of files as they come",
    )
    build.add_argument("--from", dest="begin", metavar="TIME", help="or: every event from this time on")
    build.add_argument("--to", dest="end", metavar="TIME", help="... and before this one")
    build.add_argument("-o", "--output", required=True, metavar="OUT", help="the reference file")
    _with_sources(build)
    build.set_defaults(command=commands.reference_build)
    show = kinds.add_parser("show", help="a readable table, and what can page")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(command=commands.reference_show)
    later = kinds.add_parser("import", add_help=False, prefix_chars="\0")
    later.add_argument("rest", nargs="*")
    later.set_defaults(command=commands.later, name="reference import")


def _replay(subparsers: _Subparsers) -> None:
    replay = subparsers.add_parser("replay", help="the same engine over a recorded stream")
    _with_config(replay)
    replay.add_argument("--json", action="store_true", help="JSON lines: transitions, findings, a summary")
    replay.add_argument("--windows", action="store_true", help="with --json: every judged window too")
    replay.add_argument("--fail-on", choices=("ticket", "page"), help="exit 3 when an incident was that bad or worse")
    replay.add_argument("--report", metavar="OUT", help="not in this version")
    replay.add_argument("--compare", metavar="OTHER", help="not in this version")
    _with_sources(replay)
    replay.set_defaults(command=commands.replay_sources)


def _record(subparsers: _Subparsers) -> None:
    record = subparsers.add_parser("record", help="raw records of a topic to a file")
    record.add_argument(
        "source", metavar="SOURCE", help="kafka://topic?from=PLACE&to=PLACE; with --decode also a .records.jsonl file"
    )
    record.add_argument("-o", "--output", required=True, metavar="OUT", help="OUT.records.jsonl, also .zst or .gz")
    record.add_argument(
        "--decode", action="store_true", help="readable JSON instead, to OUT.jsonl, or - for standard output"
    )
    record.add_argument(
        "--config", metavar="FILE", help="the settings file: where Kafka is [DRIFTD_KAFKA__… or localhost]"
    )
    record.set_defaults(command=commands.record)


def _accept(subparsers: _Subparsers) -> None:
    accept = subparsers.add_parser(
        "accept", help="say that a page is known: it becomes a ticket, the next change pages"
    )
    _with_config(accept)
    accept.add_argument("incident", metavar="INCIDENT", help="its id, as the alert topic and `state show` have it")
    accept.add_argument("--note", default="", metavar="TEXT", help="why; it stands in the transition")
    accept.set_defaults(command=commands.accept)


def _state(subparsers: _Subparsers) -> None:
    state = subparsers.add_parser("state", help="what a checkpoint holds")
    kinds = state.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = kinds.add_parser("show", help="positions, outcomes and counts since the state began")
    _with_config(show)
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(command=commands.state_show)
    for name in ("export", "import"):
        later = kinds.add_parser(name, add_help=False, prefix_chars="\0")
        later.add_argument("rest", nargs="*")
        later.set_defaults(command=commands.later, name=f"state {name}")


def _rules(subparsers: _Subparsers) -> None:
    rules = subparsers.add_parser("rules", help="alerting rules for Prometheus")
    _with_config(rules)
    rules.add_argument("-o", "--output", default="-", metavar="DIR", help="the folder [-: standard output]")
    rules.set_defaults(command=commands.rules)


def _dashboards(subparsers: _Subparsers) -> None:
    dashboards = subparsers.add_parser("dashboards", help="a dashboard for Grafana")
    dashboards.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder; - for standard output")
    dashboards.set_defaults(command=commands.dashboards)


if __name__ == "__main__":
    sys.exit(main())
