"""Security: settings that do not fit the protocol, and secrets that are never shown."""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from monitor.errors import UsageError
from monitor.settings.kafka import Kafka
from tests.settings_texts import CANARY, SASL, SMALL, Load, faults_of


def test_settings_of_a_protocol_that_is_not_spoken_are_faults(load: Load) -> None:
    assert faults_of(load, SMALL + "kafka: {security: {ssl_keyfile: k.pem, sasl_username: me}}\n") == [
        "kafka.security.sasl_username: means nothing with PLAINTEXT; write protocol: SASL_SSL or leave it out",
        "kafka.security.ssl_keyfile: means nothing with PLAINTEXT; write protocol: SSL or leave it out",
        "kafka.security.ssl_certfile: missing, and ssl_keyfile needs it; write the path of a PEM file",
    ]
    assert faults_of(load, SMALL + "kafka: {security: {protocol: SASL_PLAINTEXT}}\n") == [
        "kafka.security.sasl_mechanism: missing, and SASL_PLAINTEXT needs it; write PLAIN",
        "kafka.security.sasl_username: missing, and SASL_PLAINTEXT needs it; write a name",
        "kafka.security.sasl_password: missing, and SASL_PLAINTEXT needs it; write sasl_password_file: a path",
    ]


def test_a_secret_comes_by_environment(load: Load) -> None:
    loaded = load(**SASL, DRIFTD_KAFKA__SECURITY__SASL_PASSWORD=CANARY)
    assert loaded.kafka.security.sasl_password == SecretStr(CANARY)


def test_a_secret_comes_from_its_own_file_without_the_line_end(load: Load, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f" {CANARY} \n", encoding="utf-8")
    loaded = load(SMALL + "kafka: {security: {sasl_password_file: password}}\n", **SASL)
    assert loaded.kafka.security.sasl_password == SecretStr(f" {CANARY} ")
    assert loaded.kafka.security.sasl_password_file == tmp_path / "password"


def test_a_secrets_file_that_gives_none_is_a_fault(load: Load, tmp_path: Path) -> None:
    text = SMALL + "kafka: {security: {sasl_password_file: password}}\n"
    path = "kafka.security.sasl_password_file"
    assert faults_of(load, text, **SASL) == [f"{path}: cannot be read: No such file or directory"]
    (tmp_path / "password").write_bytes(b"\n")
    assert faults_of(load, text, **SASL) == [f"{path}: is empty"]
    (tmp_path / "password").write_bytes(b"\xff")
    assert faults_of(load, text, **SASL) == [f"{path}: is not UTF-8"]
    (tmp_path / "password").write_text("x", encoding="utf-8")
    assert faults_of(load, text, **SASL, DRIFTD_KAFKA__SECURITY__SASL_PASSWORD=CANARY) == [
        f"{path}: sasl_password is set too; keep one"
    ]


def test_a_secret_in_the_settings_file_is_a_fault(load: Load) -> None:
    text = SMALL + f"kafka: {{security: {{sasl_password: {CANARY}, ssl_key_password: {CANARY}}}}}\n"
    faults = faults_of(load, text, **(SASL | {"DRIFTD_KAFKA__SECURITY__PROTOCOL": "SASL_SSL"}))
    assert faults == [
        f"kafka.security.{name}: a secret must not be in this file; set DRIFTD_KAFKA__SECURITY__{name.upper()}"
        f" or write {name}_file: a path"
        for name in ("sasl_password", "ssl_key_password")
    ]


def test_settings_show_no_secret(load: Load) -> None:
    loaded = load(**SASL, DRIFTD_KAFKA__SECURITY__SASL_PASSWORD=CANARY)
    security = loaded.kafka.security
    assert security.sasl_password is not None
    assert security.sasl_password.get_secret_value() == CANARY
    for thing in (loaded, loaded.kafka, security, security.sasl_password, loaded.model_dump()):
        assert CANARY not in repr(thing) + str(thing)
    assert CANARY not in loaded.model_dump_json()


@pytest.mark.parametrize(
    "environ",
    [
        {"DRIFTD_KAFKA__SECURITY__SASL_PASSWORD": CANARY},
        {"DRIFTD_KAFKA__SECURITY__SASL_PASSWORD": CANARY, "DRIFTD_KAFKA__GROUP_ID": ""},
        {"DRIFTD_KAFKA__SECURITY": CANARY},
        {"DRIFTD_KAFKA": CANARY},
        {"DRIFTD_KAFKA": json.dumps({"security": {"sasl_password": [CANARY]}})},
        {"DRIFTD_KAFKA": json.dumps({"security": {"sasl_pasword": CANARY}})},
        {"DRIFTD_KAFKA": '{"security": {"sasl_password": "' + CANARY},
        {"DRIFTD_KAFKA__SECURITY__PROTOCOL": CANARY},
        {"DRIFTD_KAFKA__SECURITY__SASL_PASWORD": CANARY},
        {"DRIFTD_KAFKA__BOOTSTRAP_SERVERS": f"user:{CANARY}@host:9092"},
        {"DRIFTD_SASL_PASSWORD": CANARY},
    ],
)
def test_no_fault_and_no_traceback_shows_a_secret(load: Load, environ: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load(**environ)
    assert CANARY not in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_no_yaml_value_near_a_secret_is_shown(load: Load) -> None:
    for security in (CANARY, f"[{CANARY}]", f"{{protocol: {CANARY}}}", f"{{sasl_password: [{CANARY}]}}"):
        assert CANARY not in "".join(faults_of(load, SMALL + f"kafka: {{security: {security}}}\n"))


def test_pydantics_own_error_shows_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Kafka.model_validate({"security": {"sasl_password": CANARY, "protocol": CANARY}})
    assert CANARY not in str(caught.value)


REGISTRY = "https://registry:8081"


@pytest.mark.parametrize(
    ("written", "faults"),
    [
        (f"{{url: {REGISTRY}, user: u, password: {CANARY}}}", [
            "schema_registry.password: a secret must not be in this file; set DRIFTD_SCHEMA_REGISTRY__PASSWORD"
            " or write password_file: a path",
        ]),
        (f"{{url: 'https://u:{CANARY}@registry:8081'}}", [
            "schema_registry.url: a user or password must not be in it; write user, and password_file: a path",
        ]),
        (f"{{url: '{CANARY}'}}", ["schema_registry.url: not a URL; write https://host/path"]),
        (f"{{url: {REGISTRY}, user: u}}", ["schema_registry.password: missing; user and password go together"]),
    ],
)  # fmt: skip
def test_faults_of_a_schema_registry_show_no_secret(load: Load, written: str, faults: list[str]) -> None:
    found = faults_of(load, f"{SMALL}schema_registry: {written}\n")
    assert found == faults


def test_the_secrets_of_a_schema_registry_come_from_files(load: Load, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{CANARY}\n", encoding="utf-8")
    loaded = load(f"{SMALL}schema_registry: {{url: {REGISTRY}, token_file: token}}\n").schema_registry
    assert loaded.token is not None
    assert loaded.token.get_secret_value() == CANARY
    assert CANARY not in repr(loaded)
