"""A daemon behind TLS and a password: it reads, writes and commits, and nobody sees the secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from monitor.cli.parser import main
from tests.engine import event
from tests.integration import kafka_reading
from tests.integration.conftest import Running, Site, refusal_of
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

pytestmark = kafka_reading.LEAVES_SOCKETS
sockets_collected = kafka_reading.sockets_collected
client = kafka_reading.client

DONE, USAGE, REFUSED = 0, 2, 4
VARIABLE: Final = "DRIFTD_KAFKA__SECURITY__SASL_PASSWORD"


def secured(kafka: KafkaBroker, **more: object) -> dict[str, Any]:
    """The part `kafka` of the settings for the listener with TLS and SCRAM, without the password."""
    security = {
        "protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": kafka.sasl_user,
        "ssl_cafile": str(kafka.ca_file),
        **more,
    }
    return {"bootstrap_servers": [kafka.sasl_bootstrap], "request_timeout": "3s", "security": security}


def keeps_silent(running: Running, *secrets: str) -> bool:
    everything = running.text() + running.out.read_text()
    return not any(secret in everything for secret in secrets)


def test_a_daemon_reads_and_writes_over_tls_with_a_password_of_the_environment_or_a_file(
    site: Site,
    kafka: KafkaBroker,
    client: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site.make_topics()
    site.produce([event(0, features={"AGE": 35}), {"broken": True}])
    site.write(kafka={**secured(kafka), "client": client})
    running = site.start(**{VARIABLE: kafka.sasl_password})
    running.wait_records(2)
    running.wait_ready()
    assert running.stop() == DONE
    assert "not_read_by_librdkafka" not in running.text()
    assert keeps_silent(running, kafka.sasl_password)
    assert len(kafka.records(site.rejects)) == 1
    assert kafka.committed(site.name, site.topic) == {0: 2}

    secret_file = tmp_path / "password"
    secret_file.write_text(kafka.sasl_password + "\n")
    site.write(kafka={**secured(kafka, sasl_password_file=str(secret_file)), "client": client})
    site.produce([event(1, features={"AGE": 35})])
    again = site.start()
    again.wait_records(1)
    page = again.get("/metrics")[1] + again.get("/")[1]
    assert again.stop() == DONE
    assert keeps_silent(again, kafka.sasl_password)
    assert kafka.sasl_password not in page
    assert b"".join(path.read_bytes() for path in site.checkpoints()).find(kafka.sasl_password.encode()) < 0
    assert site.shown()["outcomes"] == {"rejected": 1, "accepted": 2}

    monkeypatch.delenv(VARIABLE, raising=False)
    assert main(["check", "--config", str(site.config)]) == DONE
    assert kafka.sasl_password not in "".join(capsys.readouterr())


def test_a_wrong_password_is_reported_to_be_one_and_not_repeated(site: Site, kafka: KafkaBroker) -> None:
    """The client often misses the refusal at first: then the daemon says what it may be, and tries again."""
    wrong = "canary-" + "of-a-wrong-one"
    site.make_topics()
    site.write(kafka=secured(kafka))
    running = site.start(**{VARIABLE: wrong})
    wait_until(lambda: "kafka.security.sasl_username" in running.text(), "the remedy")
    running.kill()
    assert keeps_silent(running, wrong, kafka.sasl_password)
    assert not site.checkpoints()


def test_an_authority_that_is_not_trusted_ends_the_daemon_with_a_remedy(site: Site, kafka: KafkaBroker) -> None:
    site.make_topics()
    site.write(kafka=secured(kafka, ssl_cafile=None))
    running = site.start(**{VARIABLE: kafka.sasl_password})
    code, messages = refusal_of(running)
    assert code == REFUSED
    assert "kafka.security.ssl_cafile" in messages
    assert keeps_silent(running, kafka.sasl_password)


def test_a_password_in_the_settings_file_is_refused_without_being_repeated(site: Site, kafka: KafkaBroker) -> None:
    site.write(kafka=secured(kafka, sasl_password=kafka.sasl_password))
    running = site.start()
    code, messages = refusal_of(running)
    assert code == USAGE
    assert VARIABLE in messages
    assert keeps_silent(running, kafka.sasl_password)
