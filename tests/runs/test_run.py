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
