"""Who asked is words where it is shown, stored and sent, and data where something depends on it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.repository.behalf import Asker, at_shell


@pytest.mark.parametrize(
    ("words", "asker"),
    [
        ("admin", Asker("admin")),
        ("token ci", Asker("token", "ci")),
        ("beat daily", Asker("beat", "daily")),
        ("beat, at its start", Asker("beat").on("at its start")),
        ("token ci, after the backup", Asker("token", "ci").on("after the backup")),
        ("shell root@host", at_shell("root@host")),
        ("shell root@host, scheduled", at_shell("root@host", scheduled=True)),
        ("celery root@host", Asker("celery", "root@host")),
    ],
)
def test_words_of_any_version_are_read_and_written_alike(words: str, asker: Asker) -> None:
    assert Asker.parse(words) == asker
    assert str(asker) == words


@given(st.text())
def test_whatever_a_message_says_is_shown_as_it_came(words: str) -> None:
    assert str(Asker.parse(words)) == words


@pytest.mark.parametrize(
    ("words", "entry"),
    [("beat daily", "daily"), ("beat daily, after the backup", None), ("beat, at its start", None), ("admin", None)],
)
def test_only_what_the_schedule_asked_for_itself_is_of_its_entry(words: str, entry: str | None) -> None:
    assert Asker.parse(words).entry == entry
