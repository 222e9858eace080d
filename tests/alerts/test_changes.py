"""What is told of a look: each change once, and what comes and goes not each time."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.alerts.given import NOW, condition, seen
from worker.alerts.changes import AT_MOST, SOON, STAYED_AWAY, Rules, hold, step
from worker.alerts.conditions.condition import Judgement
from worker.alerts.memory import Alert, Memory, Silence
from worker.notify.message import Message

MINUTE = timedelta(minutes=1)


class Watched:
    """A memory through one look after the other."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.memory, self.now, self.rules = Memory(since=NOW), NOW, rules or Rules()
        self.history: list[Alert] = []

    def look(self, judgement: Judgement, after: timedelta = MINUTE) -> list[str]:
        """What is told then, by event."""
        return [message.event for message in self.messages(judgement, after)]

    def messages(self, judgement: Judgement, after: timedelta = MINUTE) -> list[Message]:
        self.now += after
        before = len(self.memory.waiting)
        self.memory, ended = step(self.memory, judgement, self.now, self.rules)
        self.history += ended
        return self.memory.waiting[before:]


def test_what_is_wrong_is_told_once_and_that_it_is_over_once() -> None:
    watched = Watched()
    assert watched.look(seen(condition())) == ["storage.full"]
    assert watched.look(seen(condition())) == []
    [message] = watched.messages(seen(), timedelta(hours=3))
    assert (message.event, message.level) == ("storage.full.over", "good")
    assert message.sentence == "It is right, after 3 hours."
    assert watched.look(seen()) == []
    assert [(alert.since, alert.ended_at) for alert in watched.history] == [(NOW + MINUTE, watched.now - MINUTE)]


def test_what_must_last_is_told_when_it_has_lasted_and_forgotten_when_it_has_not() -> None:
    watched, brief = Watched(), condition(after=timedelta(minutes=10))
    assert watched.look(seen(brief)) == []
    assert watched.look(seen(), 8 * MINUTE) == []
    assert watched.look(seen(brief)) == []
    assert watched.look(seen(brief), 9 * MINUTE) == []
    assert watched.look(seen(brief)) == ["storage.full"]
    assert watched.history == []


def test_of_what_nobody_can_tell_nothing_is_told() -> None:
    watched = Watched()
    watched.look(seen(condition()))
    assert watched.look(seen(unknown=("storage.full",)), timedelta(days=3)) == []
    assert watched.memory.open[0].gone_since is None
    assert watched.look(seen()) == ["storage.full.over"]


def test_what_comes_and_goes_is_over_when_it_has_stayed_away() -> None:
    watched = Watched()
    told = []
    for _ in range(60):
        told += watched.look(seen(condition()))
        told += watched.look(seen())
    assert told == ["storage.full", "storage.full.over", "storage.full"]
    returns = watched.memory.alerts["storage.full"].returns
    assert watched.look(seen(), hold(returns) - MINUTE) == []
    assert watched.look(seen()) == ["storage.full.over"]


def test_what_comes_back_much_later_is_as_new() -> None:
    watched = Watched()
    for _ in range(5):
        assert watched.look(seen(condition()), SOON) == ["storage.full"]
        assert watched.look(seen(), MINUTE) == ["storage.full.over"]


@pytest.mark.parametrize(("returns", "minutes"), [(0, 0), (1, 10), (2, 20), (4, 80), (20, 360), (10**6, 360)])
def test_the_more_often_it_came_back_the_longer_it_must_stay_away(returns: int, minutes: int) -> None:
    assert hold(returns) == timedelta(minutes=minutes)
    assert (hold(1), hold(10**6)) == (STAYED_AWAY, AT_MOST)


def test_several_are_told_each() -> None:
    watched = Watched()
    assert watched.look(seen(condition("a"), condition("b", level="bad"))) == ["storage.full", "storage.full"]
    assert [alert.key for alert in watched.memory.open] == ["storage.full:b", "storage.full:a"]
    assert watched.look(seen(condition("a"), condition("c"))) == ["storage.full", "storage.full.over"]


def test_what_is_still_wrong_is_told_again_where_a_setting_says_so() -> None:
    watched = Watched(Rules(again=timedelta(days=2)))
    assert watched.look(seen(condition())) == ["storage.full"]
    assert watched.look(seen(condition()), timedelta(days=1)) == []
    [message] = watched.messages(seen(condition()), timedelta(days=1))
    assert (message.event, message.sentence) == ("storage.full.again", "Still so after 2 days: It is wrong.")
    assert watched.look(seen(condition())) == []


def test_what_is_silenced_is_told_when_the_silence_is_over_if_it_is_still_so() -> None:
    watched = Watched()
    watched.memory = watched.memory.model_copy(update={"silences": {"storage.full": silence(NOW + 10 * MINUTE)}})
    assert watched.look(seen(condition())) == []
    assert (len(watched.memory.open), watched.memory.loud) == (1, [])
    assert watched.look(seen(condition()), 10 * MINUTE) == ["storage.full"]


def test_of_what_is_over_while_it_is_silenced_nothing_is_told() -> None:
    watched = Watched()
    watched.look(seen(condition()))
    watched.memory = watched.memory.model_copy(update={"silences": {"storage.full": silence(NOW + 10 * MINUTE)}})
    assert watched.look(seen()) == []
    assert len(watched.history) == 1


def silence(until: datetime) -> Silence:
    return Silence(until=until, by="admin", at=NOW)


def test_a_clock_that_was_ahead_keeps_nothing_open() -> None:
    watched = Watched()
    watched.look(seen(condition()), timedelta(days=400))
    watched.look(seen(), MINUTE)
    watched.look(seen(condition()), MINUTE)
    assert watched.look(seen(), -timedelta(days=400)) == []
    assert watched.look(seen(), timedelta(minutes=20)) == ["storage.full.over"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), max_size=40))
def test_any_sequence_of_states_far_apart_has_one_message_for_each_change(states: list[bool]) -> None:
    watched, told = Watched(), []
    for state in states:
        told += watched.look(seen(*([condition()] if state else [])), SOON + MINUTE)
    changes = [now for before, now in zip([False, *states], states, strict=False) if now != before]
    assert told == [("storage.full" if now else "storage.full.over") for now in changes]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2000), st.sets(st.sampled_from("abc"))), max_size=60))
def test_however_they_come_and_go_messages_of_each_take_turns_and_end_with_what_is_so(
    looks: list[tuple[int, set[str]]],
) -> None:
    watched, told = Watched(), list[Message]()
    for minutes, names in looks:
        told += watched.messages(seen(*map(condition, sorted(names))), timedelta(minutes=minutes))
        assert {alert.key for alert in watched.memory.open} >= {condition(name).key for name in names}
    last = looks[-1][1] if looks else set()
    for _ in range(2):
        told += watched.messages(seen(*map(condition, sorted(last))), 2 * AT_MOST)
    for name in "abc":
        events = [message.event for message in told if message.key == condition(name).key]
        assert events == (["storage.full", "storage.full.over"] * len(events))[: len(events)]
        assert len(events) % 2 == (name in last)
