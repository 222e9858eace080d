"""What a run tells of itself, by what is remembered of it."""

from datetime import UTC, datetime, timedelta

from tests.runs.made import a_run

BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_it_has_taken_no_time_before_it_has_ended() -> None:
    assert a_run().seconds is None
    assert a_run(started_at=BEGUN).seconds is None
    # Whoever could not be called has an end and no beginning.
    assert a_run(ended_at=BEGUN).seconds is None
    assert a_run(started_at=BEGUN, ended_at=BEGUN + timedelta(minutes=1, milliseconds=500)).seconds == 60.5


def test_an_attempt_has_its_number_also_before_the_next_is_queued() -> None:
    assert a_run(state="PENDING", attempt=0).number == 1
    assert a_run(state="STARTED", attempt=1, started_at=BEGUN, due_at=BEGUN).number == 2
    later, earlier = BEGUN + timedelta(seconds=1), BEGUN - timedelta(seconds=1)
    assert a_run(state="RETRY", attempt=1, started_at=BEGUN, due_at=later).number == 2
    assert a_run(state="RETRY", attempt=0, started_at=BEGUN, due_at=earlier).number == 2
    assert a_run(state="RETRY", attempt=0, started_at=BEGUN, due_at=BEGUN).number == 2, "in the very moment of its time"
    assert a_run(state="RETRY", attempt=0, started_at=None, due_at=earlier).number == 1
