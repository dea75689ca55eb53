"""The commands that read what was told on the alert topic."""

from __future__ import annotations

import os
import signal
from argparse import Namespace
from pathlib import Path
from threading import Event
from typing import Final

from monitor.clock import SystemClock, parse_rfc3339
from monitor.errors import UsageError
from monitor.exit_codes import DONE, FAILED_ON
from monitor.exports.exporting import findings_of
from monitor.exports.following import follow
from monitor.exports.forms import FORMS
from monitor.exports.mlflow import Server, send
from monitor.exports.picked import Picked
from monitor.run.replay import json_line
from monitor.run.terminal import to_stderr, to_stdout
from monitor.settings.load import load_settings
from monitor.settings.tree import Settings
from monitor.told.audit import audit_json
from monitor.told.audit_csv import audit_csv
from monitor.told.audit_html import audit_html
from monitor.told.audit_text import audit_text
from monitor.told.auditing import audit as audit_told

DAY_SECONDS: Final = 86_400


def audit(arguments: Namespace) -> int:
    """What was told; exit code 3 if a line is missing, changed or added."""
    start, end = time_of("--from", arguments.begin), time_of("--to", arguments.end)
    if start is not None and end is not None and start >= end:
        raise UsageError(f"--from: {arguments.begin} is not before --to, {arguments.end}")
    configured = load_settings(Path(arguments.config), os.environ)
    made = audit_told(configured, arguments.source, start, end, SystemClock())
    if arguments.html is not None:
        write_text(audit_html(made), arguments.html, "--html")
    if arguments.csv:
        to_stdout(audit_csv(made).rstrip("\n"))
    else:
        to_stdout(json_line(audit_json(made)) if arguments.json else audit_text(made))
    return FAILED_ON if made.faults else DONE


def export(arguments: Namespace) -> int:
    """Findings in the form of another platform."""
    server = _server(arguments) if arguments.form not in FORMS else None
    configured = load_settings(Path(arguments.config), os.environ)
    times = time_of("--from", arguments.begin), time_of("--to", arguments.end)
    if server is not None and arguments.every is not None:
        return _follow(arguments, configured, server, times[0])
    picked = findings_of(configured, arguments.source, SystemClock(), (arguments.model, arguments.version), times)
    if picked.doubt is not None:
        to_stderr(picked.doubt)
    if server is not None:
        for line in send(picked, server):
            to_stderr(line)
        return DONE
    written = FORMS[arguments.form](picked)
    write_text(written.text + "\n", arguments.output, "-o")
    if written.left_out is not None:
        to_stderr(written.left_out)
    return DONE


def _follow(arguments: Namespace, configured: Settings, server: Server, start_us: int | None) -> int:
    """Tell the server what is new every so many seconds, until SIGTERM."""
    if arguments.source is not None or arguments.end is not None:
        raise UsageError("--every: goes with the alert topic, not with --to or a file")
    if not 1 <= arguments.every <= DAY_SECONDS:
        raise UsageError(f"--every: {arguments.every:g} is not from 1 to {DAY_SECONDS:,} seconds")
    stopped, clock = Event(), SystemClock()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())

    def find(from_us: int | None) -> Picked:
        return findings_of(configured, None, clock, (arguments.model, arguments.version), (from_us, None))

    follow(find, lambda found: send(found, server), start_us, clock, lambda: stopped.wait(arguments.every), to_stderr)
    return DONE


def _server(arguments: Namespace) -> Server:
    uri = arguments.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        raise UsageError("--tracking-uri: is missing; write http://HOST:PORT of MLflow's server")
    return Server(uri, os.environ)


def time_of(name: str, text: str | None) -> int | None:
    """The time of an option.

    Raises:
        UsageError: it is none.
    """
    try:
        return None if text is None else parse_rfc3339(text)
    except (ValueError, LookupError, OverflowError):
        raise UsageError(f"{name}: {text!r} is not a time with offset; write 2026-11-22T10:00:00Z") from None


def write_text(text: str, output: str, option: str) -> None:
    """Write a file; `-` is standard output.

    Raises:
        UsageError: it cannot be written.
    """
    if output == "-":
        to_stdout(text.rstrip("\n"))
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{option}: {output}: {error.strerror}; name a file that can be written") from error
    to_stderr(f"{output} written")
