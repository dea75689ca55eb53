"""Loading: environment over file, every fault at once, unsupported names, and secrets that are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import UsageError
from monitor.settings.load import load_settings
from monitor.settings.yaml_text import LARGEST_BYTES
from tests.settings_texts import SMALL, Load, faults_of


def test_the_interfaces_own_example_loads_less_what_is_not_in_this_version(load: Load, tmp_path: Path) -> None:
    loaded = load("""
        kafka:
          bootstrap_servers: [localhost:9092]
          group_id: driftd
          security: {protocol: PLAINTEXT}
          start: latest
        inputs:
          - {topic: model-events, format: native}
          - topic: scores
            format: fields
            encoding: avro
            timezone: Asia/Tokyo
            fields: {id: request.id, ts: scored_at, model: {value: credit}, version: model.version,
              score: result.proba, features: request.inputs}
        schema_registry: {url: https://registry:8081}
        outputs:
          alerts_topic: driftd.alerts
          rejects_topic: null
        state:
          store: directory
          path: /var/lib/driftd
        http: {host: 127.0.0.1, port: 9747}
        budget: {pages: 1, per: 30d}
        windows: {pane: 10s, allowed_lateness: 1m, max_skew: 1m, idle_after: 1m}
        models:
          - name: credit
            versions: ["1"]
            task: binary
            reference: reference/credit-{version}.json
            features: {AGE: {kind: numeric}, SEX: {kind: categorical}}
            allowed_lateness: 10m
            max_severity: page
            team: risk
            budget: {pages: 1, per: 30d}
            positive: 1
        """)
    assert loaded.outputs.rejects_topic is None
    assert loaded.models[0].versions == ("1",)
    assert loaded.models[0].features["SEX"].kind == "categorical"
    assert loaded.folder == tmp_path
    assert loaded.reference_path(loaded.models[0], "1") == tmp_path / "reference/credit-1.json"


def test_relative_paths_start_in_the_files_folder_and_absolute_ones_stay(load: Load, tmp_path: Path) -> None:
    assert load(SMALL + "state: {path: state}\n").state.path == tmp_path / "state"
    assert load(SMALL + "state: {path: /srv/state}\n").state.path == Path("/srv/state")


def test_the_environment_wins_over_the_file(load: Load) -> None:
    loaded = load(
        SMALL + "kafka: {group_id: file, client_id: kept}\nhttp: {port: 1}\n",
        DRIFTD_KAFKA__GROUP_ID="environment",
        DRIFTD_KAFKA__BOOTSTRAP_SERVERS="a:9092, b:9093",
        DRIFTD_HTTP__HOST="0.0.0.0",  # noqa: S104  # a setting's value, nothing listens
        DRIFTD_HTTP__PORT="8080",
        DRIFTD_WINDOWS__PANE="5s",
        DRIFTD_OUTPUTS__ALERTS_TOPIC="null",
        DRIFTD_SHOW_VALUES="false",
        HOME="/nowhere",
    )
    assert (loaded.kafka.group_id, loaded.kafka.client_id) == ("environment", "kept")
    assert loaded.kafka.bootstrap_servers == ("a:9092", "b:9093")
    assert (loaded.http.host, loaded.http.port) == ("0.0.0.0", 8080)  # noqa: S104  # a setting's value
    assert (loaded.windows.pane, loaded.outputs.alerts_topic, loaded.show_values) == (5_000_000, None, False)


def test_lists_in_the_environment_are_json_and_no_file_is_needed() -> None:
    loaded = load_settings(
        None,
        {
            "DRIFTD_KAFKA__BOOTSTRAP_SERVERS": '["a:9092"]',
            "DRIFTD_INPUTS": '[{"topic": "events"}]',
            "DRIFTD_MODELS": '[{"name": "credit", "reference": "c.json", "positive": "bad"}]',
        },
    )
    assert loaded.kafka.bootstrap_servers == ("a:9092",)
    assert (loaded.inputs[0].topic, loaded.models[0].positive) == ("events", "bad")
    assert loaded.folder == Path.cwd()


@pytest.mark.parametrize("text", ['{"a":' * 700 + "1" + "}" * 700, "[" * 900 + "]" * 900, '{"a":' * 20_000])
def test_what_is_nested_without_end_in_the_environment_is_a_fault(load: Load, text: str) -> None:
    assert faults_of(load, DRIFTD_KAFKA=text) == [
        "kafka: not a mapping; write name: value lines under it; known here: client, bootstrap_servers, group_id, start, "
        "client_id, request_timeout, api_version, fast_path, security (from DRIFTD_KAFKA)"
    ]


@pytest.mark.parametrize(
    ("start", "held"),
    [
        ("committed", "committed"),
        ("2026-11-22T10:00:00Z", 1_795_341_600_000),
        ("2026-11-22T11:00:00.250+01:00", 1_795_341_600_250),
        ("1795341600000", 1_795_341_600_000),
    ],
)
def test_a_start_is_a_word_or_milliseconds(load: Load, start: str, held: object) -> None:
    assert load(SMALL + f"kafka: {{start: {start}}}\n").kafka.start == held
    assert load(DRIFTD_KAFKA__START=start).kafka.start == held


def test_the_brokers_version_is_held_as_numbers(load: Load) -> None:
    assert load(SMALL + 'kafka: {api_version: "2.3"}\n').kafka.api_version == (2, 3)


def test_all_faults_come_at_once_each_with_its_path_and_what_would_be_right(load: Load) -> None:
    faults = faults_of(
        load,
        """
        windows: {pain: 10s, idle_after: 0s, max_skew: 60}
        inputs:
          - {topic: events, format: otlp, model: credti}
          - {topic: events}
        outputs: {alerts_topic: events}
        models:
          - {name: credit, reference: c.json, budget: {per: 30 dayz}, versions: [1], labels: {horizon: soon}}
          - {name: credit, reference: 'r-{verison}.json', severity: {missing: pag}}
          - {name: other}
        """,
        DRIFTD_HTTP__PORT="x",
        DRIFTD_KAFKA__GRUOP_ID="y",
    )
    assert set(faults) == {
        "windows.pain: no such setting; did you mean windows.pane?",
        "windows.idle_after: '0s' is not above 0; write 30d, 12h, 15m",
        "windows.max_skew: 60 is not a duration; write 60s",
        "inputs[0].format: otlp: not in this version",
        "inputs[0].model: 'credti' is none of models; did you mean 'credit'?",
        "inputs[1].topic: 'events' is in inputs[0] too; keep one",
        "outputs.alerts_topic: 'events' is an input too; write another topic",
        "models[0].budget.per: '30 dayz' is not a duration; write 30d, 12h, 15m",
        'models[0].versions[0]: 1 is a number in YAML; write "1"',
        "models[0].labels.horizon: 'soon' is not a duration; write 30d, 12h, 15m",
        "models[1].name: 'credit' is in models[0] too; keep one",
        "models[1].reference: 'r-{verison}.json' is not the path of a reference; write reference/credit-{version}.json",
        "models[1].severity.missing: 'pag' is none of 'page', 'ticket' or 'info'",
        "models[2].reference: missing; it is needed: write reference: FILE",
        "http.port: 'x' is not a whole number (from DRIFTD_HTTP__PORT)",
        "DRIFTD_KAFKA__GRUOP_ID: no such setting; did you mean DRIFTD_KAFKA__GROUP_ID?",
    }
    assert len(faults) == len(set(faults))


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ("retire_after: soon", "retire_after: 'soon' is not a duration; write 30d, 12h, 15m"),
        ("limits: {rejected_share: 1.5}", "limits.rejected_share: 1.5 is above 1"),
        ("limits: {rejected_share: false}", "limits.rejected_share: false is not a number"),
        ("state: {store: kafka}", "state.store: kafka: not in this version"),
        ("unknown_models: maybe", "unknown_models: 'maybe' is none of 'warmup', 'ignore' or 'reject'"),
        ("http: {port: true}", "http.port: true is not a number"),
        ("http: {port: 70000}", "http.port: 70000 is above 65535"),
        ("http: 80", "http: not a mapping; write name: value lines under it; known here: host, port"),
        ("id_memory: 1.5", "id_memory: 1.5 is not a whole number"),
        ("id_memory: -1", "id_memory: -1 is below 0"),
        ("budget: {pages: 0}", "budget.pages: 0 is not above 0"),
        ("budget: {pages: .nan}", "budget.pages: nan is not a number"),
        ("show_values: 7", "show_values: 7 is neither true nor false"),
        ("kafka: {group_id: ''}", "kafka.group_id: is empty; write some text"),
        ("kafka: {bootstrap_servers: []}", "kafka.bootstrap_servers: is empty; one is needed"),
        (
            "kafka: {bootstrap_servers: [a:b]}",
            "kafka.bootstrap_servers[0]: not the address of a broker; write host:9092",
        ),
        ("kafka: {api_version: 2.3}", 'kafka.api_version: 2.3 is not the version of a broker; write "2.3"'),
        (
            "kafka: {start: 1795341600}",
            "kafka.start: 1795341600 is not a Unix time in milliseconds; write 1763805600000 or 2025-11-22T10:00:00Z",
        ),
        (
            "outputs: {alerts_topic: a b}",
            "outputs.alerts_topic: 'a b' is not the name of a topic; write up to 249 of A-Z a-z 0-9 . _ -",
        ),
        (
            "outputs: {alerts_topic: x, rejects_topic: x}",
            "outputs.rejects_topic: 'x' is alerts_topic too; write another topic or null",
        ),
        ("zzz: 1", None),
    ],
)  # fmt: skip
def test_a_wrong_setting_has_one_fault(load: Load, added: str, fault: str | None) -> None:
    faults = faults_of(load, SMALL + added + "\n")
    assert len(faults) == 1
    assert faults[0] == fault or (fault is None and faults[0].startswith("zzz: no such setting; known here: kafka, "))


@pytest.mark.parametrize(
    ("setting", "fault"),
    [
        ("fairness: {by: [SEX]}", "fairness.by[0]: SEX is not in segments; add it there"),
        ("segments: [SEX, AGE, SEX]", "segments[2]: 'SEX' occurs twice; keep one"),
        ("timezone: Berlin", "timezone: 'Berlin' is not a time zone; write Europe/Berlin, Asia/Tokyo or UTC"),
        ("silence: {weekly: x}", "silence: not a list; write [..., ...]"),
        ("silence: [{}]", "silence[0]: write either from and to, or weekly, or daily"),
        ("silence: [{weekly: Sat 22-Sun 4}]",
            "silence[0].weekly: 'Sat 22-Sun 4' is not a weekly window; write \"Sat 22:00-Sun 04:00\""),
        ("exclude: [{daily: 4-5}]", "exclude[0].daily: '4-5' is not a daily window; write \"22:00-04:00\""),
        ("exclude: [{from: 2026-12-24}]",
            "exclude[0].from: '2026-12-24' is not a time with offset; write 2026-12-24T00:00:00+01:00"),
        ("exclude: [{from: '2026-12-24T00:00Z', to: '2026-12-23T00:00Z'}]", "exclude[0].to: is not after from"),
        ("silence: [{from: '2026-12-24T00:00Z', until: '2026-12-25T00:00Z'}]",
            "silence[0].until: no such setting; known here: from, to, weekly, daily, reason"),
        ("features: {A: {direction: sideways}}", "features.A.direction: 'sideways' is none of 'up', 'down' or 'both'"),
        ("features: {A: {direction: up, kind: categorical}}",
            "features.A.direction: means nothing for kind: categorical; leave it out"),
        ("reference: {warmup: 0}", "reference.warmup: 0 is below 1"),
        ("reference: {warmup: soon}", "reference.warmup: 'soon' is not a whole number"),
        ("reference: {warmup: 9, rows: 8}", "reference.rows: no such setting; known here: warmup"),
        ("least_effect: {fairness: 1}", "least_effect.fairness: fairness.disparate_impact and "
            "fairness.equal_opportunity are what is permitted; leave it out"),
        ("costs: {false_positive: dear}", "costs.false_positive: 'dear' is not a number"),
        ("costs: {false_positive: 1e16}", "costs.false_positive: 1e+16 is above 1000000000000000"),
        ("task: regression, costs: {false_positive: 1}", "costs: means nothing for task: regression; leave it out"),
        ("tolerance: {accuracy: -1}", "tolerance.accuracy: -1 is below 0"),
        ("least_effect: {missing: -1}", "least_effect.missing: -1 is below 0"),
        ("least_effect: {unseen: 5}", "least_effect.unseen: 5 is above 1, the largest change there is; 5 % is 0.05"),
        ("least_effect: {distribution: 200}",
            "least_effect.distribution: 200 is above 1, the largest change there is"),
        ("least_effect: {relation: 2.5}",
            "least_effect.relation: 2.5 is above 2, the largest change there is; 2.5 % is 0.025"),
        ("features: {A: {least_effect: 10}}",
            "features.A.least_effect: 10 is above 1, the largest change there is; 10 % is 0.1"),
        ("tolerance: {accuracy: 3}", "tolerance.accuracy: 3 is above 1, the largest change there is; 3 % is 0.03"),
        ("features: {A: {knid: numeric}}", "features.A.knid: no such setting; did you mean models[0].features.A.kind?"),
        *((f"features: {{A: {written}}}", "features.A: not a mapping; write name: value lines under it; "
            "known here: kind, severity, least_effect, direction, mute") for written in ("null", "ignore", "[kind]")),
        ("features: [A]", "features: not a mapping; write name: value lines under it"),
        ("versions: '1'", "versions: not a list; write ['1']"),
        ("versions: 1.10", 'versions: not a list; write ["1.1"]'),
        ("least_effect: {missing: 5%}", "least_effect.missing: '5%' is not a number; write 0.05"),
        ("least_effect: {missing: 5 points}", "least_effect.missing: '5 points' is not a number"),
        ("runbook: ftp://x", "runbook: not a URL; write https://host/path"),
        ("positive: [1]", "positive: [1] is not a class; write a number, a text or a boolean"),
        ("versions: ['1', '1']", "versions[1]: '1' occurs twice; keep one"),
        ("name: \"a\\tb\"", "name: 'a\\tb' holds a control character"),
    ],
)  # fmt: skip
def test_a_models_wrong_setting_has_one_fault(load: Load, setting: str, fault: str) -> None:
    reference = "" if setting.startswith("reference") else "reference: c.json, "
    name = "" if setting.startswith("name") else "name: m, "
    faults = faults_of(load, f"inputs: [{{topic: events}}]\nmodels: [{{{name}{reference}{setting}}}]\n")
    assert faults == [f"models[0].{fault}"]


def test_a_models_settings_have_to_go_together(load: Load) -> None:
    faults = faults_of(
        load,
        """
        inputs: [{topic: events}]
        models: [{name: m, reference: 'r-{version}.json', versions: ['1', a b], task: regression, positive: 1}]
        """,
    )
    assert faults == [
        "models[0].positive: means nothing for task: regression; leave it out",
        "models[0].versions[1]: 'a b' cannot fill {version} in reference; write up to 64 of A-Z a-z 0-9 . _ -",
    ]


def test_inputs_are_needed_and_models_are_not(load: Load) -> None:
    assert faults_of(load, "") == ["inputs: missing; it is needed: write inputs: [{topic: NAME}]"]
    assert faults_of(load, "inputs: []\nmodels: []\n") == ["inputs: is empty; one is needed"]


def test_a_reference_is_a_file_or_a_warm_up(load: Load) -> None:
    models = "models: [{name: a, reference: a.json}, {name: b, reference: {warmup: 9}}]"
    one, other = load(f"inputs: [{{topic: t}}]\n{models}\n").models
    assert (one.file, one.warmup_predictions) == ("a.json", 10_000)
    assert (other.file, other.warmup_predictions) == ("", 9)


def test_a_name_that_stands_twice_is_a_fault_next_to_the_others(load: Load) -> None:
    faults = faults_of(load, SMALL + "http: {port: 1}\nhttp: {prot: 1}\n")
    assert len(faults) == 2
    assert faults[0].endswith("settings.yaml: line 4, column 1: 'http' occurs twice; keep one")
    assert faults[1] == "http.prot: no such setting; did you mean http.port?"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\xff\xfe", "1: not UTF-8; save it as UTF-8"),
        (b"- a\n", " not a mapping; write name: value lines, as driftd settings shows them"),
        (b"a: [\n", " line 2, column 1: expected the node content, but found '<stream end>'"),
        (b"#" * (LARGEST_BYTES + 1), f" larger than {LARGEST_BYTES} bytes"),
        (None, " cannot be read: No such file or directory"),
    ],
)
def test_an_unusable_file_is_the_only_fault_next_to_unknown_variables(
    tmp_path: Path, data: bytes | None, fault: str
) -> None:
    file = tmp_path / "settings.yaml"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        load_settings(file, {"DRIFTD_HTTP_PORT": "1"})
    assert caught.value.faults == (
        f"{file}:{fault}",
        "DRIFTD_HTTP_PORT: no such setting; did you mean DRIFTD_HTTP__PORT?",
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("windows: {pane: 10}", "windows.pane: 10 is not a duration; write 10s"),
        ("windows: {pane: 1.5}", "windows.pane: 1.5 is not a duration; write 1500ms"),
        ("windows: {pane: '5 min'}", "windows.pane: '5 min' is not a duration; write 5m"),
        (
            "kafka: {bootstrap_servers: ['${KAFKA_BROKERS}:9092']}",
            "kafka.bootstrap_servers[0]: ${KAFKA_BROKERS} is not filled in here; set DRIFTD_KAFKA__BOOTSTRAP_SERVERS",
        ),
        (
            "outputs: {alerts_topic: '${ENV:-dev}.alerts'}",
            "outputs.alerts_topic: ${ENV:-dev} is not filled in here; set DRIFTD_OUTPUTS__ALERTS_TOPIC",
        ),
        ("links: {a: $(HOST)}", "links.a: $(HOST) is not filled in here; write its value"),
    ],
)
def test_a_fault_suggests_what_was_meant(load: Load, text: str, fault: str) -> None:
    assert fault in faults_of(load, SMALL + text + "\n")


@pytest.mark.parametrize(
    ("written", "reads"),
    [("1.10", " and reads as 1.1"), ("1.1", ""), ("2", ""), ("1e3", " and reads as 1000.0"), ("007", None)],
)
def test_a_version_that_yaml_reads_as_a_number_is_shown_as_it_is_written(
    load: Load, written: str, reads: str | None
) -> None:
    text = f"inputs: [{{topic: t}}]\nmodels: [{{name: m, reference: r.json, versions: [{written}]}}]\n"
    if reads is None:
        assert load(text).models[0].versions == (written,)
    else:
        fault = f'models[0].versions[0]: {written} is a number in YAML{reads}; write "{written}"'
        assert faults_of(load, text) == [fault]


def test_json_as_a_format_gets_the_name_native(load: Load) -> None:
    text = "inputs: [{topic: t, format: JSON}]\nmodels: [{name: m, reference: r.json}]\n"
    assert faults_of(load, text) == ["inputs[0].format: JSON is native: leave format out, see docs/events.md"]


def test_a_byte_that_is_not_utf_8_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(UsageError) as caught:
        load_settings(file, {})
    assert caught.value.faults == (f"{file}:2: not UTF-8; save it as UTF-8",)


@pytest.mark.parametrize("path", [r"C:\models\m.json", r"C:\xyz", r"C:\Users"])
def test_a_backslash_in_double_quotes_is_explained(load: Load, path: str) -> None:
    text = f'models: [{{name: m, reference: "{path}"}}]\n'
    (fault,) = faults_of(load, text)
    assert fault.endswith("in double quotes \\ begins an escape: use single quotes or /")


def test_a_variable_for_what_is_not_in_this_version_is_refused_by_name(load: Load) -> None:
    assert faults_of(load, DRIFTD_STATE__STORE="kafka") == [
        "state.store: kafka: not in this version (from DRIFTD_STATE__STORE)",
    ]


def test_a_variable_of_the_prefix_that_is_no_setting_is_named_with_what_to_do(load: Load) -> None:
    assert faults_of(load, DRIFTD_IMAGE_OF_OURS="driftd:1", driftd_zzz="1") == [
        f"{name}: no such setting; driftd settings lists them, and every variable DRIFTD_... has to be one: unset it,"
        " or give it another name"
        for name in ("DRIFTD_IMAGE_OF_OURS", "driftd_zzz")
    ]


def test_what_kubernetes_sets_for_a_service_named_driftd_is_not_a_setting(load: Load) -> None:
    links = {
        "DRIFTD_SERVICE_HOST": "127.0.0.1",
        "DRIFTD_SERVICE_PORT": "9747",
        "DRIFTD_SERVICE_PORT_METRICS": "9747",
        "DRIFTD_PORT": "tcp://127.0.0.1:9747",
        "DRIFTD_PORT_9747_TCP": "tcp://127.0.0.1:9747",
        "DRIFTD_PORT_9747_TCP_ADDR": "127.0.0.1",
        "DRIFTD_METRICS_SERVICE_HOST": "127.0.0.1",
        "DRIFTD_METRICS_PORT": "tcp://127.0.0.1:9747",
    }
    assert load(**links) == load()
