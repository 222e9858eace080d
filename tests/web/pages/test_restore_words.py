"""A restore through a form and in words: nothing of what it is told is lost, and all of it is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from tests.support.backups import manifest_of
from web.pages import forms
from web.wording import consequences, restores
from worker.arguments.restore import RestoreArguments
from worker.formats.key_text import key_text

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
SEVERAL = st.lists(TEXTS, max_size=3, unique=True)
DATABASES = st.integers(0, 99)
RESTORES = st.fixed_dictionaries(
    {"name": st.just("n")},
    optional={
        "mode": st.sampled_from(["skip", "overwrite"]),
        "match": SEVERAL,
        "exclude": SEVERAL,
        "keys": st.sets(st.binary(max_size=8).map(key_text), min_size=1, max_size=4),
        "types": st.sets(st.sampled_from(["hash", "set"]), min_size=1),
        "databases": st.sets(DATABASES, min_size=1, max_size=3),
        "kinds": st.sets(st.sampled_from(["new", "differs", "expiry"]), min_size=1),
        "target": TEXTS,
        "map_databases": st.dictionaries(DATABASES, DATABASES, max_size=3),
        "prefix": TEXTS.map(lambda text: f" {text} "),
        "strip_prefix": TEXTS,
        "expiry": st.sampled_from(["keep", "shift", "persist", "floor:3600"]),
        "preview": st.just("run-1"),
    },
)


@given(RESTORES)
@hypothesis_settings(max_examples=300)
def test_whatever_a_restore_is_told_goes_through_a_form_unchanged(told: dict[str, Any]) -> None:
    asked = RestoreArguments.model_validate(told)
    for dumped in (asked.model_dump(), asked.model_dump(mode="json", exclude_unset=True)):
        form = forms.fields(dumped, without=("name",))
        assert "name" not in form
        # What a browser makes of line ends.
        sent: forms.Form = MultiDict((name, value.replace("\n", "\r\n")) for name, value in form.items(multi=True))
        assert forms.arguments(RestoreArguments, sent, name="n") == asked


def test_lines_of_a_form_are_patterns_and_a_floor_has_its_seconds() -> None:
    form: forms.Form = MultiDict(
        {"match": " user:* \r\n\r\nqueue:?\n", "expiry": "floor", "floor": "60", "force": "on"}
    )
    told = forms.arguments(RestoreArguments, form, name="n")
    assert (told.match, told.expiry, told.force) == (("user:*", "queue:?"), "floor:60", True)
    assert told.exclude == ()


MEANT: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", ""),
    ({"match": "a*"}, "keys like a*", ""),
    ({"match": ["a*", "b*"], "exclude": ("c*",)}, "keys like a* or b*, none like c*", ""),
    ({"match": [f"{n}*" for n in range(6)]}, "keys like 6 patterns", ""),
    ({"keys": ["b", "a"]}, "only a or b", ""),
    ({"keys": [str(n) for n in range(1000)]}, "only 1,000 keys", ""),
    ({"keys": []}, "no key at all", ""),
    ({"kinds": ["new", "expiry"]}, "only what is different only in their expiry or new", ""),
    ({"target": "staging", "map_databases": {"0": 5}}, "", "into staging, database 0 as 5"),
    ({"map_databases": "1:2,0:5", "prefix": "p:", "strip_prefix": "s:"}, "", "database 0 as 5, database 1 as 2, without s:, under p:"),
    ({"expiry": "keep"}, "", ""),
    ({"expiry": "shift"}, "", "expiry shifted"),
    ({"expiry": "persist"}, "", "without expiry"),
    ({"expiry": "floor:3600"}, "", "for 1 h at least"),
]  # fmt: skip


@pytest.mark.parametrize(("told", "part", "way"), MEANT)
def test_a_part_and_a_way_are_told_in_few_words(told: dict[str, Any], part: str, way: str) -> None:
    assert (restores.narrowing(told), restores.moving(told)) == (part, way)


SENTENCES: list[tuple[dict[str, Any], str]] = [
    ({"mode": "skip"}, "A key that exists there is left exactly as it is, also where it differs from the backup: how many do is counted"),
    ({"mode": "overwrite"}, "Then it keeps what is there under those keys, for 7 days, so that the restore can be undone."),
    ({"mode": "mirror"}, "Then it keeps all that is there, for 7 days, so that the restore can be undone."),
    ({"mode": "mirror"}, "afterwards there is what the backup holds, and nothing else."),
    ({"preview": "x"}, "Then it looks whether the target has changed since the preview, and stops if it has."),
    ({"preview": "x", "force": True}, "Then it goes on, also where the target has changed since the preview."),
    ({"map_databases": {0: 5}}, "Keys of database 0 go to database 5."),
    ({"prefix": "p:"}, "“p:” is put before every key."),
    ({"strip_prefix": "s:"}, "“s:” is taken off every key, and keys that do not begin with it are left out."),
    ({}, "Expiry times stay as they were, and keys whose time has run out since are not brought back."),
    ({"expiry": "shift"}, "every key lives on for as long as it had left when the backup was made."),
    ({"expiry": "persist"}, "No key that it writes expires any more"),
    ({"expiry": "floor:90"}, "A key that expires lives for 1 min 30 s at least, also one whose time has run out since."),
    ({"keys": ["a", "b"], "databases": [0]}, "Then it writes up to 2 keys (only a or b, database 0) into a:1."),
    ({"kinds": ["new"]}, "Then it writes up to 12 keys (only what is new) into a:1."),
    ({"prefix": "p:"}, "Its 2 function libraries are left out, for only a part is restored."),
    ({"map_databases": {0: 5}}, "Its 2 function libraries are restored as well."),
]  # fmt: skip


@pytest.mark.parametrize(("told", "said"), SENTENCES)
def test_what_a_restore_is_going_to_do_is_said_of_everything_it_is_told(told: dict[str, Any], said: str) -> None:
    one = manifest_of("redis_backup_20251103_020000.rdb").model_copy(
        update={"keys": 12, "keys_by_db": {0: {"string": 5, "hash": 4}, 3: {"string": 3}}, "functions": 2}
    )
    assert any(said in sentence for sentence in consequences.of_restore(one, told, "a:1", 7))


def test_without_days_there_is_no_talk_of_an_undo() -> None:
    one = manifest_of("redis_backup_20251103_020000.rdb")
    assert not any("undo" in sentence for sentence in consequences.of_restore(one, {"mode": "overwrite"}, "a:1", 0))
