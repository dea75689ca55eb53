"""One Apache Kafka (KRaft: broker and controller in one JVM) on free loopback ports, in a temporary folder.

with KafkaBroker(sasl=True) as broker:
    broker.create_topic("events", partitions=3)
    broker.produce("events", [b"one", b"two"], partition=1)
    broker.kill()
    broker.start()        # on the same data and the same ports
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.real_parts.install import HERE, class_archive, jars_folder, missing_kafka_parts
from tests.real_parts.kafka_client import KafkaClient
from tests.real_parts.part import RealPart, free_ports
from tests.real_parts.tls import make_certificates

CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
JVM = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]

# Small and quick: a broker that was killed may lead again seconds after its start (by default it stays fenced for 9 s
# and more), groups form at once, deletion and compaction run within a second.
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "auto.create.topics.enable": "false",
    "log.cleaner.backoff.ms": "200",
    "log.retention.check.interval.ms": "1000",
    "log.initial.task.delay.ms": "500",
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "2",
}


class KafkaBroker(RealPart, KafkaClient):
    """A broker and, through `KafkaClient`, the hand that prepares its topics and recounts its records.

    Attributes:
        bootstrap: `127.0.0.1:port` of the PLAINTEXT listener.
        sasl_bootstrap: of the SASL_SSL listener (SCRAM-SHA-512); empty without `sasl`.
        ca_file: the PEM file a client of that listener has to trust; None without `sasl`.
        sasl_user, sasl_password: the one user it knows.
        folder: of its data, log and certificates, removed by `close`.
    """

    def __init__(
        self, *, sasl: bool = False, properties: Mapping[str, str] | None = None, java_options: Sequence[str] = ()
    ) -> None:
        """`properties` are added to the broker's own, or stand in their place; `java_options` are of its JVM."""
        self.sasl_user = "driftd"
        self.sasl_password = secrets.token_hex(12)
        self.ca_file: Path | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="driftd-kafka-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._formatted = False
        self._java_options = java_options
        plain, controller, secured = free_ports(3)
        self.bootstrap = f"127.0.0.1:{plain}"
        self.sasl_bootstrap = f"127.0.0.1:{secured}" if sasl else ""
        self._properties = {**PROPERTIES, "log.dirs": str(self.folder / "data"), **self._listeners(controller)}
        self._properties |= properties or {}
        super().__init__(self.bootstrap)

    def _begin(self) -> None:
        self.start()

    @property
    def pid(self) -> int | None:
        """Of the JVM; None while it is stopped."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """What the broker has said so far (warnings and worse)."""
        file = self.folder / "broker.log"
        return file.read_text(errors="replace") if file.is_file() else ""

    def start(self) -> None:
        """Starts the JVM and returns when it answers: all its partitions have a leader.

        Raises:
            RuntimeError: a part is missing, or the broker ended or was not ready within a minute (then with its log).
        """
        if missing := missing_kafka_parts():
            raise RuntimeError("; ".join(missing))
        if self._process is not None:
            raise RuntimeError("the broker is running already")
        if not self._formatted:
            self._format()
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._java(*self._java_options, "kafka.Kafka", str(self.folder / "server.properties")),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._await_ready(self._process)

    def stop(self) -> None:
        """As an operator would: SIGTERM, and wait. The data stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As a crash would: SIGKILL. The data stay."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stops if running, then starts on the same data and ports."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Ends the broker and removes its folder."""
        self._end(signal.SIGKILL)  # nothing of its data is wanted any more
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        client = KafkaClient(self.bootstrap)
        deadline = time.monotonic() + START_SECONDS
        while not client.brokers_ready(seconds=0.5):
            late = time.monotonic() > deadline
            if late or process.poll() is not None:
                self._end(signal.SIGKILL)
                raise RuntimeError(f"the broker {'was not ready in time' if late else 'ended'}:\n{self.log[-3000:]}")
            time.sleep(0.02)

    def _format(self) -> None:
        """Writes the settings and certificates and lays out the empty data folder, with the user in it."""
        user = [f"SCRAM-SHA-512=[name={self.sasl_user},password={self.sasl_password}]"]
        if self.sasl_bootstrap:
            certificates = make_certificates(self.folder)
            self.ca_file = certificates.ca_file
            self._properties["listener.name.sasl_ssl.ssl.keystore.location"] = str(certificates.keystore)
        settings = self.folder / "server.properties"
        settings.write_text("".join(f"{key}={value}\n" for key, value in self._properties.items()))
        arguments = ["format", "--standalone", "-t", CLUSTER_ID, "-c", str(settings)]
        arguments += ["--add-scram", *user] if self.sasl_bootstrap else []
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments), check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            raise RuntimeError(f"the broker's storage could not be laid out:\n{done.stdout}{done.stderr}")
        self._formatted = True

    def _listeners(self, controller_port: int) -> dict[str, str]:
        controller = f"127.0.0.1:{controller_port}"
        open_to_clients = f"PLAINTEXT://{self.bootstrap}"
        protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        settings = {"controller.quorum.bootstrap.servers": controller}
        if self.sasl_bootstrap:
            open_to_clients += f",SASL_SSL://{self.sasl_bootstrap}"
            protocols += ",SASL_SSL:SASL_SSL"
            login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            settings |= {
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": login,
                "listener.name.sasl_ssl.ssl.keystore.type": "PEM",
            }
        return settings | {
            "listeners": f"{open_to_clients},CONTROLLER://{controller}",
            "advertised.listeners": open_to_clients,
            "listener.security.protocol.map": protocols,
        }

    def _java(self, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
        archive = class_archive()
        shared = [f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else []
        return [*JVM, *shared, logging, "-cp", f"{jars_folder()}/*", *arguments]
