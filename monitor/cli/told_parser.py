"""The commands about what was told: accept, audit, export."""

from __future__ import annotations

import argparse

from monitor.cli.command import Subparsers, add_command, with_config
from monitor.exports.names import FORMS, MLFLOW


def add_accept(subparsers: Subparsers) -> None:
    """Add `driftd accept`."""
    accept = add_command(
        subparsers,
        "accept",
        "acknowledge a page: it becomes a ticket, the next change pages",
        "driftd accept --config driftd.yaml credit/1/0d3f5a0d3f5a0d3f --note 'new customers since Monday'",
    )
    with_config(accept)
    accept.add_argument("incident", metavar="INCIDENT", help="its id, from the alert topic or `state show`")
    accept.add_argument("--note", default="", metavar="TEXT", help="why; part of the transition's summary")
    accept.set_defaults(command="accept")


def add_audit(subparsers: Subparsers) -> None:
    """Add `driftd audit`."""
    audit = add_command(
        subparsers,
        "audit",
        "who was told what, when and why, and whether any of it is missing or changed",
        "driftd audit --config driftd.yaml --from 2026-09-01T00:00:00Z --to 2026-10-01T00:00:00Z --html september.html",
        "driftd audit --config driftd.yaml --json alerts.records.jsonl.zst",
    )
    with_config(audit)
    audit.add_argument("--from", dest="begin", metavar="TIME", help="told from this time on [the beginning]")
    audit.add_argument("--to", dest="end", metavar="TIME", help="... and before this one [now]")
    form = audit.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object")
    form.add_argument("--csv", action="store_true", help="a row for each finding of each line")
    audit.add_argument("--html", metavar="OUT", help="also write one self-contained page")
    _with_told(audit)
    audit.set_defaults(command="audit")


def add_export(subparsers: Subparsers) -> None:
    """Add `driftd export`."""
    export = add_command(
        subparsers,
        "export",
        "findings in the form that another platform reads",
        "driftd export sagemaker --config driftd.yaml --model credit -o constraint_violations.json",
        "driftd export openlineage --config driftd.yaml alerts.records.jsonl.zst",
        "driftd export mlflow --config driftd.yaml --tracking-uri http://127.0.0.1:5000",
    )
    kinds = export.add_subparsers(title="forms", metavar="COMMAND", required=True)
    for name, does in FORMS.items():
        form = add_command(kinds, name, does, f"driftd export {name} --config driftd.yaml")
        with_config(form)
        form.add_argument("--model", help="its name in the settings [all; a file holds one model version]")
        form.add_argument("--version", default=None, help="its version [all]")
        form.add_argument("--from", dest="begin", metavar="TIME", help="open at this time or later [the beginning]")
        form.add_argument("--to", dest="end", metavar="TIME", help="... and told before this one [now]")
        if name == MLFLOW:
            form.add_argument("--tracking-uri", metavar="URL", help="its server [MLFLOW_TRACKING_URI]")
            form.add_argument(
                "--every",
                type=float,
                metavar="SECONDS",
                help="go on, and tell what is new so often [tell it once]",
            )
        else:
            form.add_argument("-o", "--output", default="-", metavar="OUT", help="the file [-: standard output]")
        _with_told(form)
        form.set_defaults(command="export", form=name)


def _with_told(subparser: argparse.ArgumentParser) -> None:
    subparser.add_argument(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="a recording of the alert topic, or what replay --json wrote [the alert topic itself]",
    )
