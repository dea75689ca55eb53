"""`driftd demo`, from the reference to the summary."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

from monitor.clock import Clock, parse_rfc3339, rfc3339
from monitor.count.admission.versions import Admission
from monitor.demo import words
from monitor.demo.broker import API_VERSION, DemoBroker
from monitor.demo.child import HOST, DaemonProcess, free_port, write_settings
from monitor.demo.flights import MODEL, SUBJECT, VERSION, Flights, flight_rows
from monitor.demo.traffic import LEAD_US, REFERENCE_EVENTS, Traffic
from monitor.errors import TransientError
from monitor.events import ModelKey
from monitor.run.first_pass import EventRange
from monitor.run.human_lines import human_line
from monitor.run.open_source import Given
from monitor.run.reference_build import build_reference
from monitor.run.reference_file import save_reference
from monitor.run.reference_files import load_references
from monitor.run.state_show import state_json
from monitor.run.terminal import Progress
from monitor.settings.load import load_settings
from monitor.settings.tree import Settings
from monitor.state.directory import StateDirectory
from monitor.state.parts import state_in

GROUP: Final = "driftd-demo"
TOPIC, ALERTS, REJECTS = "flights", "flights.alerts", "flights.rejects"
USUAL_PORT: Final = 9747
#: seconds within which the fault must be found
FOUND_WITHIN: Final = 70.0
_STEP: Final = 0.05
_ASK_EVERY: Final = 0.5

Emit = Callable[[dict[str, Any]], object]
Write = Callable[[str], object]


@dataclass(slots=True)
class Demo:
    """One run of the demo.

    `emit` gets the JSON objects (the plan, transitions, the summary), `write` text for people.
    """

    clock: Clock
    emit: Emit
    write: Write
    duration: float | None = None
    stopping: bool = False
    page: dict[str, Any] | None = None
    fault_reported: bool = False

    def run(self, port: int | None) -> None:
        """Run until the duration is over or a signal comes.

        Raises:
            UsageError: the extra is not installed, or the port is taken.
            ExternalError: the daemon ended, or did not find the fault.
        """
        rows = flight_rows()
        with tempfile.TemporaryDirectory(prefix="driftd-demo-") as name, DemoBroker(GROUP, ALERTS) as broker:
            folder, listening = Path(name), free_port(port, USUAL_PORT)
            broker.make(TOPIC, ALERTS, REJECTS)
            settings_file = write_settings(folder, settings_tree(broker.address, listening))
            settings = load_settings(settings_file, {})
            traffic = Traffic(Flights(rows), self.clock)
            self.emit({"kind": "demo", "subject": SUBJECT, "since": rfc3339(traffic.fault_us)})
            self._build(settings, traffic, folder)
            with DaemonProcess(settings_file, listening, self.clock) as daemon:
                daemon.wait_ready()
                self.write(words.opening(len(rows), traffic.fault_us, f"http://{HOST}:{listening}"))
                self._play(traffic, broker, daemon)
            self._drain(broker, traffic)
            counted = summary(settings, traffic.elapsed())
            self.emit(counted)
            self.write(words.ending(counted))

    def _build(self, settings: Settings, traffic: Traffic, folder: Path) -> None:
        events = folder / "reference.jsonl"
        traffic.write_reference(events)
        reference = build_reference(
            settings,
            ModelKey(MODEL, VERSION),
            Given([str(events)], settings, self.clock).open,
            self.clock,
            EventRange(rows=REFERENCE_EVENTS),
        )
        save_reference(reference, folder / "reference.json")

    def _play(self, traffic: Traffic, broker: DemoBroker, daemon: DaemonProcess) -> None:
        progress = Progress(
            lambda: (traffic.played_us() - traffic.begin_us, LEAD_US),
            self.clock,
            lambda: words.caption(traffic.played_us(), traffic.fault_us, traffic.sent, self.page is not None),
        )
        traffic.begin()
        committed, asked_at = 0, float("-inf")
        while not self._over(traffic):
            daemon.require_running()
            if traffic.elapsed() - asked_at >= _ASK_EVERY:
                committed, asked_at = broker.committed(TOPIC), traffic.elapsed()
            traffic.send_due(broker, TOPIC, committed)
            self._take(broker.transitions(_STEP), traffic, progress)
            self._watch_fault(traffic, progress)
            progress.show()
        progress.clear()

    def _over(self, traffic: Traffic) -> bool:
        return self.stopping or (self.duration is not None and traffic.elapsed() >= self.duration)

    def _drain(self, broker: DemoBroker, traffic: Traffic) -> None:
        """Read the transitions that the daemon sent at its end."""
        broker.sent()
        self._take(broker.transitions(10 * _STEP), traffic, None)

    def _take(self, transitions: list[dict[str, Any]], traffic: Traffic, progress: Progress | None) -> None:
        for transition in transitions:
            if progress is not None:
                progress.clear()
            self.emit(transition)
            if self.page is None and is_found(transition, traffic.fault_us):
                self.page = transition
                self.write(words.discovery(transition, traffic.fault_us))
                self.write(words.going_on(self.duration))
            else:
                self.write(human_line(transition) or "")

    def _watch_fault(self, traffic: Traffic, progress: Progress) -> None:
        if traffic.faulty and not self.fault_reported:
            self.fault_reported = True
            progress.clear()
            self.write(words.fault_begins(traffic.fault_us, traffic.sent))
        if self.page is None and traffic.elapsed() > FOUND_WITHIN:
            raise TransientError(
                f"{traffic.sent:,} requests were sent and no page came within {FOUND_WITHIN:.0f} s: "
                "is this machine too busy? If not, please report it"
            )


def is_found(transition: dict[str, Any], fault_us: int) -> bool:
    """Whether a transition is the page for the planted fault."""
    subjects = {found["subject"] for found in transition["findings"]}
    return transition["severity"] == "page" and SUBJECT in subjects and parse_rfc3339(transition["at"]) > fault_us


def stop_on_signals(demo: Demo) -> None:
    """On SIGINT, SIGTERM and a closed terminal, end the demo cleanly, with its summary."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        demo.stopping = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)


def settings_tree(address: str, port: int) -> dict[str, Any]:
    """A settings file as a user writes it; paths are relative to its folder."""
    return {
        "kafka": {
            "bootstrap_servers": address.split(","),
            "group_id": GROUP,
            "start": "earliest",
            "api_version": API_VERSION,
        },
        "inputs": [{"topic": TOPIC}],
        "outputs": {"alerts_topic": ALERTS, "rejects_topic": REJECTS},
        "state": {"path": "state", "every": "1s"},
        "http": {"port": port},
        "windows": {"allowed_lateness": "10s"},
        "models": [{"name": MODEL, "versions": [VERSION], "reference": "reference.json", "team": "airport"}],
    }


def summary(settings: Settings, seconds: float) -> dict[str, Any]:
    """The content of the daemon's last checkpoint, in the form of a replay's summary."""
    loaded = StateDirectory(settings.state.path).load(read_only=True)
    if loaded is None:
        raise TransientError("the daemon left no checkpoint")
    shown = state_json(state_in(loaded), Admission(settings, load_references(settings)))
    kept = ("model", "version", "predictions", "labels", "pages", "tickets", "expected_false_pages")
    return {
        "kind": "summary",
        "records": sum(offset for unit in shown["units"] for offset in unit["positions"].values()),
        "outcomes": shown["outcomes"],
        "reasons": shown["reasons"],
        "seconds": round(seconds, 3),
        "models": [
            {name: model[name] for name in kept}
            | {"open": model["incident"] is not None, "lasting": model["lasting"] is not None, "performance": {}}
            for model in shown["models"]
        ],
    }
