"""docs/container.md against the image, the settings and the commands: its samples would run as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.cli.parser import parser
from monitor.clock import SystemClock
from monitor.publish.site import Site
from monitor.publish.snapshot import SnapshotHolder
from monitor.settings.load import load_settings
from monitor.settings.tree import Settings
from tests.daemons import STOP_SECONDS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
STAGE = DOCKERFILE.rpartition("\nFROM ")[2]
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
SETTINGS, COMPOSE, DEPLOYMENT = BLOCKS
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for line in block.replace("\\\n", "").strip().splitlines()
]
CONFIG = "/etc/driftd/driftd.yaml"


def service() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]["driftd"]
    return found


def pod() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(DEPLOYMENT)["spec"]["template"]["spec"]
    return found


def container() -> dict[str, Any]:
    (only,) = pod()["containers"]
    assert isinstance(only, dict)
    return only


def image_environment() -> dict[str, str]:
    instruction = re.search(r"^ENV ((?:.*\\\n)*.*)$", STAGE, re.MULTILINE)
    assert instruction is not None
    return dict(pair.split("=", 1) for pair in instruction[1].replace("\\\n", "").split())


def docker_environment() -> dict[str, str]:
    words = COMMANDS[-1]
    return dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "-e")


ENVIRONMENTS: dict[str, dict[str, str]] = {
    "image": {},
    "docker": docker_environment(),
    "compose": service()["environment"],
    "kubernetes": {variable["name"]: variable["value"] for variable in container()["env"]},
}


def settings_under(name: str, folder: Path) -> Settings:
    file = folder / "driftd.yaml"
    file.write_text(SETTINGS, encoding="utf-8")
    return load_settings(file, image_environment() | ENVIRONMENTS[name])


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_settings_load_under_the_environment_of_each_sample(name: str, tmp_path: Path) -> None:
    settings = settings_under(name, tmp_path)
    assert settings.kafka.bootstrap_servers == ("kafka:9092",)
    assert settings.http.host == "0.0.0.0"  # noqa: S104  # the image's; nothing listens here


def test_each_sample_mounts_the_settings_and_a_volume_where_the_state_is(tmp_path: Path) -> None:
    state = str(settings_under("image", tmp_path).state.path)
    mounts = {mount["mountPath"]: mount for mount in container()["volumeMounts"]}
    assert mounts.keys() == {str(Path(CONFIG).parent), state}
    claims = {volume["name"] for volume in pod()["volumes"] if "persistentVolumeClaim" in volume}
    assert claims == {mounts[state]["name"]}
    assert {mount["name"] for mount in mounts.values()} == {volume["name"] for volume in pod()["volumes"]}
    for volumes in (service()["volumes"], [word for word in COMMANDS[-1] if re.search(r":/", word)]):
        places = {volume.split(":")[1]: volume.split(":")[0] for volume in volumes}
        assert places.keys() == set(mounts)
        assert places[state] in yaml.safe_load(COMPOSE)["volumes"], "a named volume"
    assert f'CMD ["run", "--config", "{CONFIG}"]' in STAGE
    assert re.search(rf"^COPY .* {state}$", STAGE, re.MULTILINE)


def test_ports_and_probes_are_where_the_daemon_answers(tmp_path: Path) -> None:
    settings = settings_under("kubernetes", tmp_path)
    (port,) = container()["ports"]
    assert port["containerPort"] == settings.http.port
    assert f"EXPOSE {settings.http.port}\n" in STAGE
    published = f"127.0.0.1:{settings.http.port}:{settings.http.port}"
    assert service()["ports"] == [published]
    assert published in COMMANDS[-1]
    site = Site(SnapshotHolder(SystemClock()))
    for probe, status in (("livenessProbe", 200), ("readinessProbe", 503)):  # a process that has just begun
        asked = container()[probe]["httpGet"]
        assert asked["port"] == port["name"]
        assert site.answer("GET", asked["path"]).status == status


def test_each_sample_confines_it_as_the_image_allows_and_gives_it_time_to_stop() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", STAGE, re.MULTILINE)
    assert user is not None
    rights = pod()["securityContext"]
    assert rights["runAsNonRoot"] is True
    assert [rights[name] for name in ("runAsUser", "runAsGroup", "fsGroup")] == [int(user[1]), int(user[2]), 65532]
    confined = container()["securityContext"]
    assert confined["readOnlyRootFilesystem"] is True
    assert confined["allowPrivilegeEscalation"] is False
    assert confined["capabilities"] == {"drop": ["ALL"]}
    assert (service()["read_only"], service()["cap_drop"]) == (True, ["ALL"])
    assert {"--read-only", "--cap-drop=all", f"--stop-timeout={STOP_SECONDS:.0f}"} < set(COMMANDS[-1])
    assert service()["stop_grace_period"] == f"{STOP_SECONDS:.0f}s"
    assert pod()["terminationGracePeriodSeconds"] > STOP_SECONDS


def test_the_deployment_never_runs_two_of_it() -> None:
    spec = yaml.safe_load(DEPLOYMENT)["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


def test_the_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in COMMANDS:
        if words[0] == "make":
            assert f"\n{words[1]}: " in makefile
            assert all(f"\n{word.split('=')[0]} ?= " in makefile or word.startswith("BASE=") for word in words[2:])
        else:
            assert words[:2] == ["docker", "run"]
            given = words[len(words) - 1 - words[::-1].index("driftd") + 1 :]
            parser().parse_args(given or ["run", "--config", CONFIG])
    assert "$(BASE)" in makefile


def test_the_samples_stay_short() -> None:
    assert len(DEPLOYMENT.splitlines()) <= 40
    assert len(COMPOSE.splitlines()) <= 20
