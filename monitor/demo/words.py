"""Texts of the demo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from monitor.clock import SECOND_US, parse_rfc3339, rfc3339
from monitor.demo.flights import MODEL, STATION, SUBJECT, VERSION
from monitor.demo.traffic import RATE, REFERENCE_EVENTS, SPEED
from monitor.judge.causes.catalog import with_share
from monitor.publish.rules.annotations import CAUSE_TEXTS
from monitor.run.human_lines import human_line
from monitor.text import probability

NEXT: Final = """\
Next, with your own topic (the settings are one short file: see docs/example/driftd.yaml):
  driftd reference build --config driftd.yaml --model M --rows 10000 'kafka://TOPIC?from=earliest' -o reference/1.json
  driftd check --config driftd.yaml --create-topics
  driftd run --config driftd.yaml
  driftd rules --config driftd.yaml -o .      # for Prometheus"""
IN_A_CHECKOUT: Final = "  make venv && source .venv/bin/activate      # gives the command driftd"


def opening(flights: int, fault_us: int, address: str) -> str:
    """What runs, and where to look at it."""
    return f"""\
driftd demo: a Kafka broker, a stream and driftd, all on this machine and gone when it ends.

  model      {MODEL}, version {VERSION}: will this flight be late? It gets {RATE} requests a second
  stream     drawn at random from {flights:,} real flights out of New York, April to June 2013, with their weather;
             the last hour is played in a minute, {SPEED} times as fast as it happens
  reference  the {REFERENCE_EVENTS:,} requests before: what driftd compares with
  fault      at {clock_time(fault_us)} the thermometer of {STATION} begins to report Celsius instead of Fahrenheit,
             which makes a third of the column `{SUBJECT}` wrong. driftd is not told
  look       {address}/ for people, {address}/metrics for Prometheus
             (times there are those of the requests, the first of them an hour ago)
"""


def caption(played_us: int, fault_us: int, sent: int, found: bool) -> str:
    """The text next to the progress bar."""
    if found:
        state = "found"
    elif played_us < fault_us:
        state = "no fault yet"
    else:
        state = f"{(played_us - fault_us) / SECOND_US:.0f} s since the fault"
    return f"{clock_time(played_us)}, {sent:,} requests: {state}"


def fault_begins(fault_us: int, sent: int) -> str:
    """Printed when the fault begins."""
    return f"{clock_time(fault_us)}: the fault begins. {sent:,} requests without a page until here.\n"


def discovery(transition: dict[str, Any], fault_us: int) -> str:
    """The page, and where it was sent."""
    worst = transition["findings"][0]
    late = (parse_rfc3339(transition["at"]) - fault_us) / SECOND_US
    findings = "\n".join(_finding(found) for found in transition["findings"])
    return f"""\
FOUND {late:.0f} s of traffic after the fault began: the column `{worst["subject"]}`, since {transition["since"]}
(to within 10 seconds of traffic)

{findings}

One page. The person on call gets, by Alertmanager and the rules that `driftd rules` prints:
  {_alert(transition)}
The same with all figures and the offsets of the evidence is a CloudEvent on the alert topic:
  {transition["summary"]}

{what_next()}
"""


def _alert(transition: dict[str, Any]) -> str:
    """The summary of the alert, as the Prometheus rules derive it from the series."""
    worst, *more = transition["findings"]
    size = worst["value"] if worst["cause"] in with_share("value") else worst["effect"]
    what = f"{worst['subject']} {CAUSE_TEXTS.get(worst['cause'], worst['cause'])} in {size:.1%}"
    others = f", and {len(more)} more" if more else ""
    return f"{transition['model']} {transition['version']}: {what} since {transition['since'][11:16]} UTC{others}"


def what_next() -> str:
    """The commands for the user's own topic."""
    installed = Path(sys.executable).with_name("driftd").exists()
    head, *commands = NEXT.splitlines()
    return "\n".join([head, *([] if installed else [IN_A_CHECKOUT]), *commands])


def going_on(duration: float | None) -> str:
    """Until when it runs."""
    end = "Ctrl-C ends it." if duration is None else f"It ends {duration:g} s after its first event."
    return f"It keeps running, so that you can look at the status page. {end}"


def ending(summary: dict[str, Any]) -> str:
    """What was counted."""
    return human_line(summary) or ""


def _finding(found: dict[str, Any]) -> str:
    window, p = found["window"], found["p"]
    chance = "it is a rule, not a test" if p is None else f"chance alone would do that with {probability(p)}"
    return (
        f"  what      {found['subject']}: {found['detail']}\n"
        f"  how sure  {chance} (over {window['events']:,} requests up to {window['end']})"
    )


def clock_time(us: int) -> str:
    """Hours, minutes and seconds of UTC."""
    return f"{rfc3339(us)[11:19]} UTC"
