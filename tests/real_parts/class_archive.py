"""Kafka's classes as the JVM keeps them between starts: each broker of the tests begins in half of the CPU time.

Run as `python -m tests.real_parts.class_archive`, once for these jars and this Java. Without it all works as well.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.real_parts.install import class_archive, missing_kafka_parts
from tests.real_parts.kafka import KafkaBroker
from tests.real_parts.waiting import wait_until

WRITE_SECONDS: Final = 90.0
#: how a JVM ends that was asked to
ENDED_IN_ORDER: Final = (os.CLD_EXITED, 128 + signal.SIGTERM)


def make() -> None:
    """Runs a broker that writes the archive when it ends. It is complete or not there: a part of it crashes the JVM.

    Raises:
        RuntimeError: the broker was not ready in time, or ended without an archive.
        TimeoutError: it did not end in time.
    """
    target = class_archive()
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / target.name
        with KafkaBroker(sasl=True, java_options=[f"-XX:ArchiveClassesAtExit={made}"]) as broker:
            broker.create_topic("events")
            broker.produce("events", [b"one"])
            broker.records("events")
            how = _ended(broker)
            if how != ENDED_IN_ORDER or not made.is_file():
                message = f"the JVM ended with {how[1]} and kept no classes: {broker.log[-500:].strip()}"
                raise RuntimeError(message)
        made.replace(target)


def _ended(broker: KafkaBroker) -> tuple[int, int]:
    """Asks it to end and waits, for longer than `stop` does; how it ended, and with what code."""
    assert broker.pid is not None
    pid = broker.pid
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT), "the JVM's end", WRITE_SECONDS)
    end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert end is not None
    return end.si_code, end.si_status


def main() -> int:
    """0 in any case: nothing but time depends on it."""
    if missing_kafka_parts() or class_archive().is_file():
        return 0
    print("Keeping the classes of Apache Kafka for its next starts ...", flush=True)
    try:
        make()
    except (RuntimeError, TimeoutError) as error:
        print(f"Going on without, the brokers of the tests start more slowly: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
