"""Numbers, times, runs and pictures in words that a person reads without thinking."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from tests.support.backups import manifest_of
from web.pages import forms, templating
from web.wording import consequences, numbers, outcomes, runs
from web.wording.pictures import charts
from worker.arguments.backups import BackupArguments
from worker.arguments.restore import RestoreArguments
from worker.errors import UsageError
from worker.runs.run import Run

NOW = datetime(2025, 11, 3, 12, 0, tzinfo=UTC)


def run(operation: str = "backup", state: str = "SUCCESS", **fields: Any) -> Run:
    return Run.model_validate(
        {"id": "one", "operation": operation, "state": state, "queued_at": NOW, "due_at": NOW, **fields}
    )


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (999, "999 B"), (1_234_567, "1.2 MB"), (5e12, "5.0 TB"), (None, numbers.NOTHING)]
)
def test_sizes(count: float | None, said: str) -> None:
    assert numbers.size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (5, "just now"),
        (-5, "in a moment"),
        (60, "1 minute ago"),
        (3 * 3600, "3 hours ago"),
        (36 * 3600, "36 hours ago"),
        (49 * 3600, "2 days ago"),
        (-7200, "in 2 hours"),
    ],
)
def test_ages(seconds: float, said: str) -> None:
    assert numbers.age(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.84, "0.8 s"),
        (12, "12 s"),
        (185, "3 min 5 s"),
        (3720, "1 h 2 min"),
        (90061, "1 d 1 h"),
        (None, numbers.NOTHING),
    ],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert numbers.duration(seconds) == said


def test_moments_are_told_in_the_time_zone_of_the_settings() -> None:
    assert numbers.moment(NOW, "Europe/Berlin") == "Mon 3 Nov 2025, 13:00:00 CET"


@pytest.mark.parametrize(
    "told", ["2025-11-03T12:00:00+00:00", "2025-11-03T12:00:00Z", "2025-11-03T12:00:00", NOW.timestamp()]
)
def test_a_moment_is_understood_in_every_way_that_a_result_tells_it(told: str | float) -> None:
    assert numbers.when(told) == NOW


def test_what_is_no_moment_is_none() -> None:
    assert [numbers.when(told) for told in ("soon", "", 0, None)] == [None, None, None, None]


def test_lists_and_counts() -> None:
    assert [numbers.listed(range(count)) for count in range(4)] == ["", "0", "0 and 1", "0, 1 and 2"]
    assert [numbers.counted(count, "key") for count in (1, 2000, None)] == ["1 key", "2,000 keys", "keys not counted"]


def test_what_stands_between_backticks_is_something_to_type_and_the_rest_is_text() -> None:
    assert templating.prose("Type `a <b>` & go") == Markup("Type <code>a &lt;b&gt;</code> &amp; go")
    assert templating.prose("one ` alone <b>") == Markup("one ` alone &lt;b&gt;")


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (run(state="PENDING"), "waiting"),
        (run(state="RETRY"), "waiting"),
        (run(state="STARTED"), "running"),
        (run(value={"keys": 1}), "done"),
        (run(value={"skipped": "young"}), "nothing"),
        (run(state="FAILURE"), "failed"),
        (run(state="INTERRUPTED"), "interrupted"),
    ],
)
def test_every_state_has_its_word(given: Run, state: str) -> None:
    assert runs.state(given) == state
    assert runs.state_words(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (run(value={"skipped": "one is young"}), "Nothing to do: one is young."),
        (
            run("prune", value={"deleted": [{}], "kept": [1, 2], "freed_bytes": 2000}),
            "Deleted 1 backup (2.0 KB), kept 2.",
        ),
        (run("prune", value={"deleted": [], "kept": [1]}), "Nothing had to go: 1 backup kept."),
        (run("delete", value={"deleted": "n"}), "n is deleted."),
        (
            run("delete", value={"deleted": "n", "trash_days": 1}),
            "n is moved to the trash, which is emptied after 1 day. Until then it frees no room, and can be put back.",
        ),
        (run("put_back", value={"put_back": "n"}), "n is back among the backups."),
        (run("copy", value={"bytes": 9, "copies": [{"to": "s3://a/b", "new": True}]}), "9 B copied to s3://a/b."),
        (
            run("copy", value={"bytes": 9, "copies": [{"to": "/a", "new": True}, {"to": "/b", "new": False}]}),
            "9 B copied to /a. It lies in /b already.",
        ),
        (
            run("copy", value={"copies": [{"to": "/a", "skipped": "why"}]}),
            "Nothing was done, for another run is at it.",
        ),
        (run("ping", value={"address": "a:1"}), "The source at a:1 answers."),
        (run("restore", "INTERRUPTED"), "It was killed before its end."),
        (run(state="STARTED"), ""),
        (run("novelty", value={"x": 1}), ""),
        (run(value={}), "keys not counted in \u2013 (\u2013 before compression), \u2013."),
    ],
)
def test_every_outcome_is_a_sentence(given: Run, said: str) -> None:
    assert outcomes.outcome(given) == said


def test_what_a_run_is_about() -> None:
    told = {"name": "n", "mode": "overwrite", "match": "a*", "types": ["set", "hash"], "databases": [3, 0]}
    assert runs.subject(run("restore", arguments=told)) == (
        "n, overwriting, keys like a*, type hash or set, database 0 or 3"
    )
    assert runs.subject(run(arguments={"format": "json", "databases": [1]})) == "json, db 1"
    assert runs.subject(run("prune", arguments={"keep": 3, "dry_run": True})) == "keeping 3 and only looking"


def test_progress_without_a_total_or_a_rate_says_what_is_known() -> None:
    assert runs.doing({"phase": "reading", "current": 5, "total": None, "unit": "keys"}) == "reading: 5 keys"
    bytes_ = {"phase": "walking", "current": 3_000_000, "total": 2_000_000, "unit": "bytes", "rate": 1e6}
    assert runs.doing(bytes_) == "walking: 2.0 MB of 2.0 MB, 1.0 MB a second"
    assert runs.doing(None) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(8.2, "in 8 s"), (0.6, "in 1 s"), (0.4, "now"), (-5, "now"), (59.4, "in 59 s"), (65, "in 1 min 5 s")],
)
def test_when_the_next_attempt_is_due(seconds: float, said: str) -> None:
    now = datetime(2025, 11, 3, tzinfo=UTC)
    assert runs.due(now + timedelta(seconds=seconds), now) == said
    again = run(state="RETRY", attempt=1, attempts=3, due_at=now + timedelta(seconds=seconds))
    assert runs.next_attempt(again, now) == f"Attempt 2 of 3 {said}"


def test_an_attempt_that_is_decided_upon_is_the_next_one_before_it_is_queued() -> None:
    later = NOW + timedelta(seconds=10)
    assert runs.attempt(run(attempts=3, state="STARTED", started_at=NOW)) == "Attempt 1 of 3"
    assert runs.attempt(run(attempts=3, state="RETRY", started_at=NOW)) == "Attempt 2 of 3"
    assert runs.attempt(run(attempts=3, state="RETRY", started_at=NOW, attempt=1, due_at=later)) == "Attempt 2 of 3"


def test_whose_a_run_is() -> None:
    about: dict[str, Any] = {"source": "a:1", "target": "b:2", "storage": "here:/x", "databases": (0, 3)}
    assert runs.whose(run(**about)) == "of a:1, db 0 and 3, in here:/x"
    assert runs.whose(run("restore", **about)) == "into b:2"
    assert runs.whose(run("ping", source="a:1", storage="here:/x")) == "of a:1"
    assert runs.whose(run("verify", source="a:1", storage="here:/x")) == "in here:/x"
    assert runs.whose(run()) == runs.whose(run("restore")) == ""


def test_a_curve_needs_two_points_and_stays_in_its_picture() -> None:
    assert charts.curve([(NOW, 5.0)], lambda _: "") is None
    drawn = charts.curve([(NOW, 0.0), (NOW + timedelta(days=1), 10.0)], lambda value: f"{value:g}")
    assert drawn is not None
    assert [(dot.x, dot.y, dot.said) for dot in drawn.dots] == [(8.0, 112.0, "0"), (592.0, 8.0, "10")]
    # Wherever one points at, some value is the nearest.
    assert [(dot.left, dot.width) for dot in drawn.dots] == [(0.0, 300.0), (300.0, 300.0)]
    assert charts.curve([(NOW, 0.0), (NOW, 0.0)], lambda _: "") is not None


def test_bars_are_as_long_as_their_database_is_large() -> None:
    small, large = charts.bars({3: {"set": 1}, 7: {"hash": 1, "string": 3}})
    assert (small.db, small.total, small.shares[0].width) == (3, 1, 150.0)
    assert [(share.name, share.x, share.width) for share in large.shares] == [
        ("string", 0, 450.0),
        ("hash", 450.0, 150.0),
    ]


def test_a_form_becomes_arguments_and_an_empty_field_was_not_filled_in() -> None:
    form: forms.Form = MultiDict([("mode", "overwrite"), ("match", " "), ("types", "set"), ("types", "hash")])
    told = forms.arguments(RestoreArguments, form, name="n")
    assert told.model_dump(exclude_unset=True) == {
        "name": "n",
        "mode": "overwrite",
        "types": frozenset({"set", "hash"}),
    }
    boxes: forms.Form = MultiDict([("databases", "0"), ("databases", "3"), ("engine", "")])
    assert forms.arguments(BackupArguments, boxes).model_dump(exclude_unset=True) == {"databases": frozenset({0, 3})}


def test_a_form_that_is_wrong_says_which_field() -> None:
    with pytest.raises(UsageError, match="Please correct this: mode: "):
        forms.arguments(RestoreArguments, MultiDict({"mode": "all"}), name="n")


def test_what_a_restore_will_do_counts_only_what_is_meant() -> None:
    one = manifest_of("redis_backup_20251103_020000.rdb").model_copy(
        update={"keys": 12, "keys_by_db": {0: {"string": 5, "hash": 4}, 3: {"string": 3}}, "functions": 2}
    )
    assert consequences.at_most(one, {}) == 12
    assert consequences.at_most(one, {"databases": frozenset({0}), "types": frozenset({"string"})}) == 5
    assert consequences.at_most(one.model_copy(update={"keys": None}), {}) is None
    whole = list(consequences.of_restore(one, {"mode": "skip"}, "a:1"))
    assert "Its 2 function libraries are restored as well." in whole
    part = list(consequences.of_restore(one, {"mode": "skip", "databases": frozenset({0})}, "a:1"))
    assert "Its 2 function libraries are left out, for only a part is restored." in part


def test_what_the_audit_log_keeps_of_a_deed_is_words_and_not_python() -> None:
    said: dict[str, Any] = {"name": "ci", "scopes": ["read", "backup"], "days": None, "addresses": (), "more": {}}
    assert runs.details(said) == "ci, may read and backup"
    assert runs.details({"days": 30, "addresses": ["10.0.0.0/8"]}) == "for days: 30, from 10.0.0.0/8"
    assert runs.details({}) == ""


@pytest.mark.parametrize(
    ("operation", "said"), [("search", "Searches"), ("preview", "Previews"), ("drill", "Drills"), ("prune", "Pruning")]
)
def test_runs_of_a_sort_have_a_name_together(operation: str, said: str) -> None:
    assert runs.plural(operation) == said
