"""What is far more than usual is a burst, which begins where more than the usual is first seen."""

from collections import Counter

from worker.segments.telling.bursts import DELETES, MINUTE, Burst, Line, beginning, bursts
from worker.segments.telling.steps import Step

NOISE = 8
"""Keys that expire in five seconds, always."""


def frames(*deletes: int, commands: dict[str, int] | None = None) -> list[Line]:
    """A frame every five seconds from the epoch on, each with so many deletes."""
    return [
        Line(
            0,
            number * 5000,
            number * 5000 + 5000,
            number * 100,
            number * 100 + 100,
            many,
            50,
            commands or {"DEL": many},
        )
        for number, many in enumerate(deletes)
    ]


def minutes(lines: list[Line]) -> dict[int, Step]:
    steps: dict[int, Step] = {}
    for line in lines:
        step = steps.setdefault(line.since // MINUTE * MINUTE, Step())
        step.deleted += line.deleted
        step.commands += Counter(line.commands)
    return steps


def test_what_always_expires_is_no_burst() -> None:
    assert bursts(minutes(frames(*[NOISE] * 240)), 0) == []
    # Between many minutes in which nothing happens a few are one.
    assert [burst.count for burst in bursts(minutes(frames(*[NOISE] * 12)), 600)] == [96]


def test_a_burst_begins_with_its_first_frame_and_not_with_what_always_expires() -> None:
    lines = frames(*[NOISE] * 124, 500, 20_000, 20_703, *[NOISE] * 100)
    (burst,) = bursts(minutes(lines), 0)
    assert (burst.what, burst.since, burst.usual) == (DELETES, 10 * MINUTE, 12 * NOISE)
    assert burst.count == 41_203 + 9 * NOISE
    assert beginning(burst, lines) == lines[124]


def test_a_burst_over_the_end_of_a_minute_is_one_and_may_begin_right_before_its_minute() -> None:
    lines = frames(*[0] * 59, 40, 20_000, 20_000, *[0] * 70)
    (burst,) = bursts(minutes(lines), 0)
    assert (burst.since, burst.until) == (4 * MINUTE, 6 * MINUTE)
    assert beginning(burst, lines) == lines[59]


def test_no_burst_begins_in_another_stretch() -> None:
    lines = frames(0, 400, 20_000)
    lines[1] = lines[1]._replace(stretch=7)
    burst = Burst(DELETES, 20_400, 0, MINUTE, 0, 0, MINUTE)
    assert beginning(burst, lines) == lines[2]
    assert beginning(Burst("SET", 5, 0, MINUTE, 0, 0, MINUTE), lines) is None


def test_a_burst_of_writes_is_named_by_its_command() -> None:
    lines = frames(*[0] * 60, commands={"SET": 10, "HSET": 10})
    lines[30] = lines[30]._replace(commands={"SET": 120_000, "HSET": 10})
    (burst,) = bursts(minutes(lines), 0)
    assert (burst.what, burst.count, burst.words) == ("SET", 120_110, frozenset((b"SET",)))
    assert beginning(burst, lines) == lines[30]
