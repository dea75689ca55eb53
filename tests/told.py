"""Alert topics as lists of CloudEvents, and as recordings of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from monitor.chain import Head, Told, linked
from monitor.clock import SECOND_US
from monitor.events import ModelKey, Partition
from monitor.findings import DOWN, PAGE, TICKET, UP, Finding, FindingKey, Rebase, Span, Transition
from monitor.kafka.acts import Act, act_message
from monitor.kafka.alerts import messages_of
from monitor.kafka.cloud_events import STRUCTURED
from monitor.kafka.producer import Message
from monitor.notices import GAP, STARTED, STOPPED, Notice

START_US = 1_790_000_000 * SECOND_US
HOUR_US = 3_600 * SECOND_US
KEY = ModelKey("credit", "1")
INCIDENT = "credit/1/00aa00aa00aa00aa"
REFERENCE, SETTINGS = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
CHAIN = "c0ffee"


def finding(
    subject: str = "AGE",
    cause: str = "distribution",
    severity: str = PAGE,
    *,
    at_us: int = START_US,
    **more: Any,  # noqa: ANN401  # fields of a finding
) -> Finding:
    key = FindingKey(subject, cause, str(more.pop("segment", "")), str(more.pop("figure", "")))
    plain = {"effect": 0.12, "effect_unit": "share moved", "direction": UP, "detail": "mean 35.5 -> 38.2"}
    value, threshold = float(more.pop("value", 0.5)), float(more.pop("threshold", 0.25))
    return Finding(
        key, severity, Span(at_us - 60 * SECOND_US, at_us, 500), 2, "cut_point", value, threshold, 3e-11,
        exceedance=2.0, **{**plain, **more},
    )  # fmt: skip


def transition(
    number: int,
    name: str,
    findings: Sequence[Finding],
    *,
    hour: float,
    severity: str = PAGE,
    **more: Any,  # noqa: ANN401  # fields of a transition
) -> Transition:
    at_us = START_US + int(hour * HOUR_US)
    incident, key = str(more.pop("incident", INCIDENT)), more.pop("key", KEY)
    return Transition(
        incident, number, name, key, severity, at_us, 1_000 * number, 900, REFERENCE, SETTINGS, START_US,
        f"{key.model} {key.version}: {name}", tuple(findings), **more,
    )  # fmt: skip


def story() -> list[Told]:
    """What one daemon tells in a day: it starts, something happens, it is killed, another reference, it stops."""
    moved, gone = finding(), finding("SEX", "missing", TICKET, segment="region=north", direction=DOWN)
    models = [{"model": "credit", "version": "1", "reference": REFERENCE, "settings": SETTINGS}]
    first = {"driftd": "0", "state": "new", "saved": None, "models": models}
    again = {**first, "state": "restored", "saved": "2026-09-21T18:00:00Z"}
    return [
        Notice(STARTED, START_US - HOUR_US, facts=first),
        transition(1, "opened", [gone], hour=1, severity=TICKET),
        transition(2, "escalated", [moved, gone], hour=2),
        Notice(STARTED, START_US + 3 * HOUR_US + 1, facts=again),
        Notice(GAP, START_US + 4 * HOUR_US, "events-0/7", {"partition": "events-0", "first": 7, "next": 90}),
        transition(3, "resolved", [], hour=5),
        Rebase(KEY, START_US + 6 * HOUR_US, (REFERENCE, "sha256:new"), (SETTINGS, "sha256:n"), "<b>new</b> customers"),
        Notice(STOPPED, START_US + 7 * HOUR_US),
    ]


def every_kind() -> list[Finding]:
    """A finding of every kind that the forms tell apart."""
    record = {Partition("model-events", 0): (120, 371)}
    return [
        finding("AGE", records=record, detail='mean 35.5 -> 38.2; "quoted"\n'),
        finding("AGE", "missing", TICKET),
        finding("SEX", "unseen", segment="region=north"),
        finding("LIMIT", "outside", direction=DOWN),
        finding("LIMIT", "type"),
        finding("EDU", "absent"),
        finding("NEW", "schema", TICKET),
        finding("PAY", "constant"),
        finding("score", "score"),
        finding("feature.score", "distribution"),
        finding("emb.norm", "distribution", parent="emb"),
        finding("AGE~SEX", "relation", TICKET),
        finding("credit", "traffic", TICKET, direction=UP),
        finding("credit", "performance", figure="f1", value=0.6, threshold=0.7),
    ]


def days() -> list[Told]:
    every = every_kind()
    return [
        transition(1, "opened", every[:2], hour=1),
        transition(2, "updated", every, hour=2),
        transition(3, "updated", every[1:], hour=3),
    ]


def records_of(
    told: Iterable[Told], *, group: str = "driftd", chain: str = CHAIN, mode: str = STRUCTURED, head: Head | None = None
) -> list[Message]:
    """The records that a daemon sends, each an hour after the one before."""
    messages, at = [], head or Head(chain)
    for hour, one in enumerate(told):
        link = linked(at, one.id, one.to_json())
        at = link.head
        sent_us = START_US + hour * HOUR_US
        messages.append(next(messages_of(one, "alerts", group, sent_us, link if chain else None, mode)))
    return messages


def accepted(note: str = "known") -> Message:
    return act_message(Act(INCIDENT, note), "alerts", "driftd", "credit/1", START_US + 2 * HOUR_US + 1)


def recording(path: Path, messages: Sequence[Message], offsets: Sequence[int] | None = None) -> Path:
    """A recording of a topic with these records."""
    lines = []
    for offset, message in zip(offsets or range(len(messages)), messages, strict=True):
        headers = [[name, base64.b64encode(value).decode()] for name, value in message.headers]
        key, value = (None if one is None else base64.b64encode(one).decode() for one in (message.key, message.value))
        place = {"topic": "alerts", "partition": 0, "offset": offset, "timestamp": START_US // 1_000 + offset}
        lines.append(json.dumps({**place, "key": key, "headers": headers, "value": value}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
