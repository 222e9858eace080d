"""Progress of a task: told once a second, and never in the way."""

import threading
from typing import Any

import pytest

from tests.support.processes import eventually
from worker.runs import reporter
from worker.runs.reporter import Reporter


def test_the_latest_word_is_stored_and_the_rate_from_the_second_telling_on() -> None:
    told: list[dict[str, Any]] = []
    with Reporter(told.append) as report:
        for count in range(50):
            report("reading", count, 100, "keys")
        eventually(lambda: told, "the first telling")
        report("reading", 90, 100, "keys")
        eventually(lambda: told[-1]["rate"], "a rate")
    assert told[0] == {"phase": "reading", "current": 49, "total": 100, "unit": "keys", "rate": None}
    assert told[-1] == {**told[-1], "phase": "reading", "current": 90, "total": 100, "unit": "keys"}
    assert 0 < told[-1]["rate"] <= 41


def test_another_phase_has_a_rate_of_its_own() -> None:
    told: list[dict[str, Any]] = []
    with Reporter(told.append) as report:
        report("checking", 1_000_000, None, "bytes")
        eventually(lambda: told, "the first phase")
        report("restoring", 5, None, "keys")
        eventually(lambda: told[-1]["phase"] == "restoring", "the second phase")
    assert [one["rate"] for one in told if one["phase"] == "restoring"][0] is None  # noqa: RUF015 - it must be there


def test_nothing_is_stored_before_there_is_something_to_tell() -> None:
    told: list[dict[str, Any]] = []
    with Reporter(told.append):
        pass
    assert told == []


def test_a_store_that_raises_fails_nobody_and_is_tried_again() -> None:
    tried: list[dict[str, Any]] = []

    def store(meta: dict[str, Any]) -> None:
        tried.append(meta)
        raise ConnectionError("the result backend is away")

    with Reporter(store) as report:
        report("reading", 1, None, "keys")
        eventually(lambda: len(tried) >= 2, "a second try")
        report("reading", 2, None, "keys")
    assert tried[0]["current"] == 1


def test_a_store_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter, "JOIN_SECONDS", 0.05)
    hanging, done = threading.Event(), threading.Event()

    def store(meta: dict[str, Any]) -> None:
        hanging.set()
        done.wait()

    # Were anybody waiting for the store, this would never come to its end.
    with Reporter(store) as report:
        report("reading", 1, None, "keys")
        assert hanging.wait(30)
        for count in range(10_000):
            report("reading", count, None, "keys")
    assert not done.is_set()
    done.set()


def test_nothing_is_stored_once_the_work_has_ended() -> None:
    told: list[dict[str, Any]] = []
    with Reporter(told.append) as report:
        report("reading", 1, None, "keys")
        eventually(lambda: told, "the first telling")
    count = len(told)
    report("reading", 2, None, "keys")
    assert not [thread for thread in threading.enumerate() if thread.name == "progress"]
    assert len(told) == count


def test_an_error_of_the_work_passes_through() -> None:
    with pytest.raises(KeyError, match="the work"), Reporter(lambda _: None):
        raise KeyError("the work")
