"""`check` on records of platforms: what they are understood as, in words."""

from __future__ import annotations

from monitor.run.understood import understand
from tests.platform_calls import CALL, Record, dumped
from tests.platform_records import batch_of, kserve_binary, settings_for


def lines(name: str, *records: Record) -> list[str]:
    return list(understand(settings_for(name), "traffic", [batch_of(records)]).lines())


def test_the_sides_of_a_call_are_one_record() -> None:
    assert lines("kserve", *kserve_binary(CALL)) == [
        "traffic-0@0: prediction of credit/12: at 2026-03-04T10:15:30Z, with an id, score 0.81, "
        '3 features: age 35, income 52000.0, grade "A"; and 1 more event'
    ]


def test_the_format_that_was_found_is_said_and_so_is_what_is_of_another_one() -> None:
    found = lines("auto", *kserve_binary(CALL), Record(dumped({"captureData": {}})))
    assert found[0] == "format: kserve, recognised from its records"
    assert found[-1].startswith("1 event of 3 records rejected (format): traffic-0@2: the record is not of inputs[]")


def test_sides_without_the_other_one_are_counted() -> None:
    other = kserve_binary(CALL._replace(id="r-2"))[0]
    assert lines("kserve", *kserve_binary(CALL), other)[-1] == (
        "1 request or response without the other side among these records"
    )
