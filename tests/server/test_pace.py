"""A run looks whether others ask the server too, and goes gently beside them: to the same result."""

import math
import time
from pathlib import Path

import pytest
import structlog

from tests.conftest import StartServer
from tests.support.backups import bring_back, endpoint, fill_all, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.restore import RestoreArguments
from worker.engines.scan import Scan
from worker.server import throttle as pacing
from worker.server.throttle import GENTLE_KEYS, Pace
from worker.server.wire import Wire, pack

MOST = 100
PING = pack(b"PING")


@pytest.fixture(autouse=True)
def _always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rest is a look, so that nothing depends on how long things take."""
    monkeypatch.setattr(pacing, "FIRST_LOOK_SECONDS", 0)
    monkeypatch.setattr(pacing, "LOOK_SECONDS", 0)
    monkeypatch.setattr(pacing, "JUDGED_SECONDS", 0)


@pytest.fixture
def both(source: Server, target: Server) -> tuple[Server, Server]:
    return source, target


@pytest.fixture
def _beside_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the server has to do counts as traffic."""
    monkeypatch.setattr(pacing, "TRAFFIC", -math.inf)


def others(server: Server, count: int) -> None:
    """So many commands of somebody else."""
    pipe = server.client().pipeline(transaction=False)
    for _ in range(count):
        pipe.echo("")
    pipe.execute()


def looked(server: Server) -> Pace:
    pace = Pace(endpoint(server))
    pace.rest()
    return pace


def test_nothing_is_known_before_the_second_look_and_that_is_gentle(source: Server) -> None:
    pace = looked(source)
    assert pace.gentle
    assert pace.keys(MOST) == GENTLE_KEYS
    assert pace.ahead(4, 0) == 0
    assert list(pace.cut(list(range(2 * GENTLE_KEYS + 1)), MOST)) == [
        [*range(GENTLE_KEYS)],
        [*range(GENTLE_KEYS, 2 * GENTLE_KEYS)],
        [2 * GENTLE_KEYS],
    ]


def test_alone_it_goes_as_fast_as_it_can_whatever_it_asks_itself(source: Server) -> None:
    pace = looked(source)
    with Wire(endpoint(source)) as wire:
        for _ in range(3):
            wire.send(PING * 5000)
            assert list(wire.replies(5000)) == [b"PONG"] * 5000
            wire.send(PING * 5000)
            assert sum(map(len, wire.runs(5000))) == 5000
            wire.send(PING * 5000)
            gathered: list[bytes] = []
            wire.gather(5000, gathered)
            pace.rest()
            assert not pace.gentle
    assert pace.keys(MOST) == MOST
    assert pace.ahead(4, 0) == 4


def test_others_make_it_gentle_until_they_end(source: Server) -> None:
    pace = looked(source)
    told = []
    for count in (5000, 0, 5000):
        others(source, count)
        pace.rest()
        told.append(pace.gentle)
    assert told == [True, False, True]


def test_who_comes_in_crowds_is_noticed_before_the_second_is_over(
    source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "JUDGED_SECONDS", math.inf)
    pace = looked(source)
    pace.rest()
    told = []
    for count in (pacing.SURELY // 2, pacing.SURELY // 2, 0):
        others(source, count)
        pace.rest()
        told.append(pace.gentle)
    assert told == [False, True, True]


def test_its_log_says_once_that_it_has_slowed_down_and_for_whom(source: Server) -> None:
    with structlog.testing.capture_logs() as logged:
        pace = looked(source)
        pace.rest()
        assert logged == []
        for _ in range(2):
            others(source, 5000)
            pace.rest()
    (told,) = logged
    assert told["event"] == "slowed_down"
    assert told["address"] == endpoint(source).address
    assert told["others_per_second"] > pacing.TRAFFIC


def test_at_full_pace_nobody_is_heeded(source: Server, tmp_path: Path) -> None:
    arguments = RestoreArguments(name="any")
    settings = settings_for(source, tmp_path, backup_pace="full")
    pace = Pace(arguments.endpoint(settings))
    assert not pace.gentle
    others(source, 5000)
    pace.rest()
    pace.rest()
    assert pace.keys(MOST) == MOST
    assert Pace(arguments.endpoint(settings_for(source, tmp_path))).gentle


def test_where_others_hold_the_server_up_a_batch_may_be_larger(source: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(pacing, "FIRST_LOOK_SECONDS", math.inf)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace(endpoint(source))
    sizes = []
    for took in (0, 0.01, 5):
        now[0] += took
        pace.rest()
        sizes.append(pace.keys(MOST))
    assert sizes == [GENTLE_KEYS, 50, MOST]


def test_a_server_that_cannot_be_looked_at_is_asked_as_before(newest: Binary, start_server: StartServer) -> None:
    server = start_server(newest)
    pace = looked(server)
    pace.rest()
    server.stop()
    pace.rest()
    assert not pace.gentle


@pytest.mark.usefixtures("_beside_traffic")
@pytest.mark.parametrize("engine", ["scan", "typed"])
def test_beside_traffic_a_backup_and_a_restore_give_the_same(
    both: tuple[Server, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    (source, target), rests = both, spied(monkeypatch)
    data_format = {"scan": "rdb", "typed": "json"}[engine]
    # JSON has no place for the times of a stream's consumers.
    before = state(fill_all(source), times=data_format == "rdb")
    name = take(source, tmp_path, engine=engine, format=data_format)["name"]
    assert_gentle(rests)
    assert bring_back(target, tmp_path, name)["failed"] == 0
    assert_gentle(rests)
    assert bring_back(target, tmp_path, name, mode="overwrite")["failed"] == 0
    assert_gentle(rests)
    assert_same(before, state(target, times=data_format == "rdb"))


@pytest.mark.usefixtures("_beside_traffic")
def test_a_scan_hurries_when_keys_are_added_faster_than_it_reads_them_gently(
    source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "KEYS_PER_SECOND", 0)
    rests, client = spied(monkeypatch), source.client()
    client.mset({f"key:{number}": "" for number in range(1000)})
    batches = Scan(endpoint(source), [0]).batches()
    next(batches)
    assert_gentle(rests)
    client.mset({f"more:{number}": "" for number in range(20_000)})
    assert sum(map(len, batches)) > 1000
    hurried = rests.index(False)
    assert hurried >= 1000 // GENTLE_KEYS - 1
    assert not any(rests[hurried:])


def spied(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """How it went at each rest."""
    found: list[bool] = []
    rest = Pace.rest

    def tell(pace: Pace, *, looks: bool | None = None) -> None:
        rest(pace, looks=looks)
        found.append(pace.gentle)

    monkeypatch.setattr(Pace, "rest", tell)
    return found


def assert_gentle(rests: list[bool]) -> None:
    assert rests
    assert all(rests)
    rests.clear()
