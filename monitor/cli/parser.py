"""The command `driftd`. Exit codes: 0 done, 1 a bug, 2 usage or settings, 3 --fail-on, 4 refused, 130 interrupted."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from monitor import __version__
from monitor.cli.command import Subparsers, add_command, with_config
from monitor.cli.told_parser import add_accept, add_audit, add_export
from monitor.cli.usage import Parser
from monitor.errors import ExternalError, UsageError
from monitor.exit_codes import DONE, INTERRUPTED, REFUSED, USAGE
from monitor.log import configure_logging
from monitor.visible import visible

#: systems whose files are imported, as `IMPORTS` has them, which takes half a second to import
IMPORTED: Final = ("tfdv", "sagemaker", "vertex", "mlflow", "azure", "kserve")
#: commands that are planned; each is refused with a message until it is built
LATER: Final = ("report", "debug")

SHELLS: Final = ("bash", "zsh", "fish")


def main(arguments: Sequence[str] | None = None, imported: Callable[[], object] = lambda: None) -> int:
    """Run a command; returns the exit code. `imported` is called when all is imported and the command begins."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parsed = parser().parse_args(given)
        # to standard error: standard output is data. A command reports in one line why Kafka does not answer
        configure_logging(level="warning", muted=("kafka",))
        command = _command(parsed.command)
        imported()
        return command(parsed)
    except UsageError as error:
        for fault in error.faults:
            print(visible(f"driftd: {fault}"), file=sys.stderr)  # noqa: T201  # a message for people
        return USAGE
    except ExternalError as error:
        print(visible(f"driftd: {error}"), file=sys.stderr)  # noqa: T201  # as above
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # the reader closed the pipe, as `head` does: not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """The function of a command in monitor/cli/commands.py; those of completion and bridge need no import of it."""
    if name == "completion":
        return completion
    if name == "bridge":
        from monitor.cli.receive import bridge  # noqa: PLC0415  # a third of the memory of the others

        return bridge
    from monitor.cli import commands  # noqa: PLC0415  # takes half a second, not needed for help and usage errors

    function: Callable[[argparse.Namespace], int] = getattr(commands, name)
    return function


def completion(arguments: argparse.Namespace) -> int:
    """Print the shell completion script."""
    from monitor.cli.completion import completion_script  # noqa: PLC0415  # as above

    print(completion_script(parser(), arguments.shell), end="")  # noqa: T201  # read by a shell
    return DONE


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = Parser(
        prog="driftd",
        description="A drift monitor for models in production.",
        epilog="driftd COMMAND --help shows the options of a command, with an example.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"driftd {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _run(subparsers)
    _demo(subparsers)
    _check(subparsers)
    _reference(subparsers)
    _replay(subparsers)
    _record(subparsers)
    _bridge(subparsers)
    add_accept(subparsers)
    add_audit(subparsers)
    add_export(subparsers)
    _state(subparsers)
    _rules(subparsers)
    _dashboards(subparsers)
    _fields(subparsers)
    _about(subparsers)
    for name in LATER:
        later = subparsers.add_parser(name, add_help=False, prefix_chars="\0")
        later.add_argument("rest", nargs="*")
        later.set_defaults(command="later", name=name)
    return top


def _with_sources(subparser: argparse.ArgumentParser) -> None:
    subparser.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help=".jsonl, .csv, .records.jsonl (each also .gz, .zst), .parquet, - for standard input, or "
        "kafka://topic?from=PLACE&to=PLACE",
    )
    subparser.add_argument("--sort", action="store_true", help="read .jsonl files in order of ts, as tables always are")
    subparser.add_argument("--accept-partial", action="store_true", help="go on although more than half is lost")
    subparser.add_argument(
        "--map", action="append", metavar="COLUMN=FIELD", help="a column of a .csv or .parquet that is no feature"
    )
    subparser.add_argument("--format", default="auto", help="how the records are written [auto: as the settings say]")


def _run(subparsers: Subparsers) -> None:
    run = add_command(subparsers, "run", "the daemon", "driftd run --config driftd.yaml")
    with_config(run)
    run.add_argument("--accept-loss", action="store_true", help="start from scratch, ignoring any saved state")
    run.set_defaults(command="run")


def _demo(subparsers: Subparsers) -> None:
    demo = add_command(
        subparsers,
        "demo",
        "see it work: a broker, real flights, one fault, and the alert for it",
        "driftd demo --duration 90",
    )
    demo.add_argument("--duration", type=float, metavar="S", help="end after S seconds [at Ctrl-C]")
    demo.add_argument("--json", action="store_true", help="JSON lines: the plan, transitions, a summary")
    demo.add_argument("--port", type=int, metavar="P", help="where the page is [9747, or any that is free]")
    demo.set_defaults(command="demo")


def _check(subparsers: Subparsers) -> None:
    check = add_command(
        subparsers,
        "check",
        "verify settings, references, Kafka and the state folder",
        "driftd check --config driftd.yaml --create-topics",
    )
    with_config(check)
    check.add_argument("--offline", action="store_true", help="do not ask Kafka")
    check.add_argument("--create-topics", action="store_true", help="create missing output topics")
    check.set_defaults(command="check")


def _reference(subparsers: Subparsers) -> None:
    reference = add_command(
        subparsers, "reference", "what a model version is compared with", "driftd reference show reference/1.json"
    )
    kinds = reference.add_subparsers(title="commands", metavar="COMMAND", required=True)
    build = add_command(
        kinds,
        "build",
        "from recorded events",
        "driftd reference build --config driftd.yaml --model loans --rows 10000 events.jsonl -o reference/1.json",
        "driftd reference build --config driftd.yaml --model loans --from 2026-09-01T00:00:00Z "
        "--to 2026-09-15T00:00:00Z 'kafka://model-events?from=earliest' -o reference/1.json",
    )
    with_config(build)
    build.add_argument("--model", required=True, help="its name in the settings")
    build.add_argument("--version", default=None, help="its version [the only one of the settings]")
    build.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help="the first N predictions: of a topic by record time, of files in their order",
    )
    build.add_argument("--from", dest="begin", metavar="TIME", help="or: every event from this time on")
    build.add_argument("--to", dest="end", metavar="TIME", help="... and before this one")
    build.add_argument(
        "--note", default="", metavar="TEXT", help="why; in the file, and on the alert topic when the daemon takes it"
    )
    build.add_argument("-o", "--output", required=True, metavar="OUT", help="the reference file")
    _with_sources(build)
    build.set_defaults(command="reference_build")
    show = add_command(kinds, "show", "a readable table, and what can page", "driftd reference show reference/1.json")
    show.add_argument("file", metavar="FILE")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(command="reference_show")
    _import(kinds)


def _import(kinds: Subparsers) -> None:
    imports = add_command(
        kinds,
        "import",
        "from what another system knows of its training data",
        "driftd reference import tfdv FeatureStats.pb schema.pbtxt -o reference/1.json",
        "driftd reference import sagemaker statistics.json constraints.json -o reference/1.json",
    )
    imports.add_argument("system", choices=IMPORTED, help="whose files they are")
    imports.add_argument("source", nargs="+", metavar="SOURCE", help="its files, or the folder that they are in")
    imports.add_argument("--model", default="", help="for this model only [any that names the file]")
    imports.add_argument("--version", default="", help="for this version only [any]")
    imports.add_argument("--slice", default="", metavar="NAME", help="tfdv: a slice of the statistics [all examples]")
    imports.add_argument("--note", default="", metavar="TEXT", help="why; in the file")
    imports.add_argument("-o", "--output", required=True, metavar="OUT", help="the reference file")
    imports.set_defaults(command="reference_import")


def _replay(subparsers: Subparsers) -> None:
    replay = add_command(
        subparsers,
        "replay",
        "the same engine over a recorded stream",
        "driftd replay --config driftd.yaml events.jsonl",
        "driftd replay --config driftd.yaml --fail-on page 'kafka://model-events?from=2026-09-20T00:00:00Z'",
        "driftd replay --config driftd.yaml --compare proposed.yaml events.jsonl",
    )
    with_config(replay)
    replay.add_argument("--json", action="store_true", help="JSON lines: transitions, findings, a summary")
    replay.add_argument("--windows", action="store_true", help="with --json: every judged window too")
    replay.add_argument("--fail-on", choices=("ticket", "page"), help="exit 3 if an incident was that severe or worse")
    replay.add_argument("--report", metavar="OUT", help="not in this version")
    replay.add_argument(
        "--compare", metavar="OTHER", help="another settings file: which incidents it would have had, old against new"
    )
    _with_sources(replay)
    replay.set_defaults(command="replay_sources")


def _record(subparsers: Subparsers) -> None:
    record = add_command(
        subparsers,
        "record",
        "raw records of a topic to a file",
        "driftd record 'kafka://model-events?from=earliest' -o events.records.jsonl.zst",
        "driftd record --decode events.records.jsonl.zst -o -",
    )
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
    record.set_defaults(command="record")


def _bridge(subparsers: Subparsers) -> None:
    bridge = add_command(
        subparsers,
        "bridge",
        "an HTTP receiver that puts events of serving platforms on a topic",
        "driftd bridge --config driftd.yaml",
    )
    with_config(bridge)
    bridge.set_defaults(command="bridge")


def _state(subparsers: Subparsers) -> None:
    state = add_command(subparsers, "state", "what a checkpoint holds", "driftd state show --config driftd.yaml")
    kinds = state.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = add_command(
        kinds,
        "show",
        "positions, outcomes and counts since the state began",
        "driftd state show --config driftd.yaml --json",
    )
    with_config(show)
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(command="state_show")
    for name in ("export", "import"):
        later = kinds.add_parser(name, add_help=False, prefix_chars="\0")
        later.add_argument("rest", nargs="*")
        later.set_defaults(command="later", name=f"state {name}")


def _rules(subparsers: Subparsers) -> None:
    rules = add_command(
        subparsers,
        "rules",
        "alerting rules for Prometheus",
        "driftd rules --config driftd.yaml -o /etc/prometheus/rules",
    )
    with_config(rules)
    rules.add_argument("-o", "--output", default="-", metavar="DIR", help="the folder [-: standard output]")
    rules.set_defaults(command="rules")


def _dashboards(subparsers: Subparsers) -> None:
    dashboards = add_command(
        subparsers, "dashboards", "a dashboard for Grafana", "driftd dashboards -o /var/lib/grafana/dashboards"
    )
    dashboards.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder; - for standard output")
    dashboards.set_defaults(command="dashboards")


def _fields(subparsers: Subparsers) -> None:
    fields = add_command(
        subparsers, "fields", "records in a layout of one's own", "driftd fields suggest 'kafka://scores' > inputs.yaml"
    )
    kinds = fields.add_subparsers(title="commands", metavar="COMMAND", required=True)
    suggested = add_command(
        kinds,
        "suggest",
        "the settings (format: fields) for a topic or file, with what is not sure",
        "driftd fields suggest kafka://scores",
        "driftd fields suggest scores.jsonl",
    )
    suggested.add_argument(
        "source", metavar="SOURCE", help="kafka://topic, whose newest 1,000 records are read, .jsonl or .records.jsonl"
    )
    suggested.add_argument(
        "--config", metavar="FILE", help="the settings file: where Kafka is [DRIFTD_KAFKA__… or localhost]"
    )
    suggested.set_defaults(command="fields_suggest")


def _about(subparsers: Subparsers) -> None:
    settings = add_command(
        subparsers, "settings", "print every setting with its default and meaning", "driftd settings | less"
    )
    settings.set_defaults(command="settings")
    version = add_command(
        subparsers, "version", "versions of driftd and its main dependencies", "driftd version --json"
    )
    version.add_argument("--json", action="store_true", help="as JSON")
    version.set_defaults(command="version")
    completed = add_command(
        subparsers,
        "completion",
        "print a script with which a shell completes commands, options and file names",
        "source <(driftd completion bash)",
        'eval "$(driftd completion zsh)"',
        "driftd completion fish > ~/.config/fish/completions/driftd.fish",
    )
    completed.add_argument(
        "shell", metavar="SHELL", choices=SHELLS, help=f"{', '.join(SHELLS)}; the first two read it at their start"
    )
    completed.set_defaults(command="completion")


if __name__ == "__main__":
    sys.exit(main())
