"""`make bench`: what it makes, counts, judges and writes; how fast anything is, is none of a test's business."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks import backing_up, data, goals, pictures, report, results, stopwatch, tables, timing, traffic
from benchmarks.__main__ import chosen, options_of
from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.loaded import Loaded, loaded
from benchmarks.place import ROOT, Place, opened
from benchmarks.results import WHOLE, Kind, Machine, Results, Round, Row
from benchmarks.running import SETS, STEPS, Options, run
from benchmarks.servers import tool, version
from local import servers as local
from tests.support.processes import Background, eventually
from tests.support.programs import program

KEYS = 300
MACHINE = Machine(cores=2, processor="a processor", memory=8 << 30, system="a system", versions={"Python": "3.11.7"})
OLD = "v=6." in version(local.find())
needs_redis_7 = pytest.mark.skipif(OLD, reason="PEXPIRETIME and DEBUG need Redis 7")


def row(name: str, *seconds: float, kind: Kind = "ours", step: str = "backup", **more: object) -> Row:
    rounds = [Round(seconds=one, user=one / 2, system=one / 4, peak=50_000_000) for one in seconds]
    of = {"data": "1m", "title": "1,000,000 mixed keys", "keys": 1_000_000, "rounds": rounds}
    return Row.model_validate({"step": step, "name": name, "kind": kind, **of, **more})


def results_of(*rows: Row, quick: bool = False) -> Results:
    return Results(machine=MACHINE, date="2025-11-03", main="1m", rounds=3, quick=quick, rows=list(rows))


SAMPLE = (
    row(backing_up.SYNC, 1, 2, 9, kind="floor", fault=None),
    row(backing_up.REPLICATION, 2.1, 2.2, 2.0, fault=WHOLE, stored=90_000_000),
    row(backing_up.GZIP, 8, 8, 8, kind="peer", fault=WHOLE),
    row(backing_up.SCAN, 5, fault=WHOLE),
    row(backing_up.DUMP_GO, 60, kind="peer", fault="lost 812,982 of 1,000,000 keys"),
    row(backing_up.JSON, 20, fault=WHOLE),
)


# --- data


def digest(shape: data.Shape) -> str:
    return hashlib.sha256(b"".join(shape.commands())).hexdigest()


@pytest.mark.parametrize("make", [data.mixed, data.tiny, lambda keys: data.huge(keys, keys * 1000)])
def test_data_is_the_same_every_time(make: Callable[[int], data.Shape]) -> None:
    assert digest(make(KEYS)) == digest(make(KEYS))
    assert digest(make(KEYS)) != digest(make(KEYS + 1))


def test_a_larger_set_begins_with_the_smaller_one() -> None:
    small, large = (b"".join(data.mixed(keys).commands()) for keys in (1000, 2000))
    assert large.startswith(small)


def test_the_mix_is_of_a_thousand_and_of_every_kind() -> None:
    assert sum(data.MIX.values()) == data.AT_ONCE
    assert set(data.MIX) == set(data._KINDS)


def test_a_number_of_keys_has_a_short_name() -> None:
    assert [data.label(keys) for keys in (300, 20_000, 1_000_000, 1_500_000)] == ["300", "20k", "1m", "1500k"]


# --- figures


def test_the_figure_of_a_row_is_the_median_of_its_rounds() -> None:
    found = row("x", 3, 1, 2)
    found.rounds[1].figures = {"p99": 5}
    assert [found.figure(name) for name in ("seconds", "user", "peak", "keys/s", "p99", "novelty")] == [
        2,
        1,
        50_000_000,
        500_000,
        5,
        None,
    ]
    assert row("nothing").figure("seconds") is None


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = results_of(*SAMPLE)
    results.save(written, tmp_path / "results.json")
    assert results.load(tmp_path / "results.json") == written


def test_contestants_take_turns_and_one_that_fails_stops_nobody() -> None:
    order: list[str] = []

    def runs(name: str, fault: str | None = WHOLE) -> Callable[[], Outcome]:
        def once() -> Outcome:
            order.append(name)
            if name == "fails":
                raise timing.FailedError(f"{name} in /somebody's/folder")
            # Wrong in its first round only: it stays wrong.
            return Outcome(Round(seconds=1), fault if order.count(name) == 1 else WHOLE, 7)

        return once

    contestants = [
        Contestant("one", "ours", runs("one")),
        Contestant("loses", "peer", runs("loses", "lost 1 of 3 keys")),
        Contestant("slow", "peer", runs("slow"), once=True),
        Contestant("fails", "peer", runs("fails")),
        Contestant("absent", "peer", runs("absent"), ("no-such-program",)),
    ]
    said: list[str] = []
    rows = {one.name: one for one in contest("backup", data.mixed(3), contestants, 2, said.append)}
    assert order == ["one", "loses", "slow", "fails", "one", "loses"]
    assert (len(rows["one"].rounds), rows["one"].fault, rows["one"].stored) == (2, WHOLE, 7)
    assert rows["loses"].fault == "lost 1 of 3 keys"
    assert len(rows["slow"].rounds) == 1
    assert (rows["fails"].missing, rows["absent"].missing) == ("failed", "no-such-program not on this machine")
    assert any("somebody" in line for line in said)


# --- goals


def verdict(results: Results, words: str) -> goals.Verdict:
    return next(one for one in goals.judged(results) if words in one.goal.case)


def test_goals_are_judged_by_ratios_of_medians() -> None:
    found = results_of(*SAMPLE)
    floor, gzip = verdict(found, "time of the floor"), verdict(found, "| gzip")
    assert (round(floor.measured or 0, 3), floor.reached) == (1.05, True)
    assert (round(gzip.measured or 0, 3), gzip.reached) == (3.81, True)
    json, memory = verdict(found, "json"), verdict(found, "memory")
    assert (json.measured, json.reached) == (50_000, False)
    assert (memory.measured, memory.reached) == (50, True)


def test_a_goal_without_figures_says_why_and_is_neither_reached_nor_missed() -> None:
    absent = row(backing_up.DUMP_GO, kind="peer", missing="redis-dump-go not on this machine")
    found = results_of(row(backing_up.SCAN, 1), absent)
    dump_go = verdict(found, "faster than redis-dump-go")
    assert (dump_go.reached, dump_go.why) == (None, "redis-dump-go not on this machine")
    assert verdict(found, "verify").why == "not run"


def test_what_is_fast_and_loses_keys_has_missed_its_goal() -> None:
    lost = row(backing_up.REPLICATION, 1, fault="lost 3 of 1,000,000 keys")
    found = results_of(
        row(backing_up.SYNC, 1, kind="floor"), lost, row(backing_up.GZIP, 9, kind="peer", fault="lost 1")
    )
    assert [verdict(found, words).reached for words in ("time of the floor", "| gzip")] == [False, False]
    assert "**missed: lost 3 of 1,000,000 keys**" in report.goals_table(found)
    whole = results_of(
        row(backing_up.REPLICATION, 1, fault=WHOLE), row(backing_up.GZIP, 9, kind="peer", fault="lost 1")
    )
    assert verdict(whole, "| gzip").reached


def test_a_run_whose_code_was_changed_says_so() -> None:
    found = results_of(*SAMPLE)
    assert "was changed while this ran" not in report.page(found, [])
    assert "was changed while this ran" in report.page(found.model_copy(update={"changed": True}), [])


def test_every_goal_is_about_a_row_that_some_step_makes() -> None:
    named = {name for goal in goals.GOALS for name in (goal.of, goal.to) if name}
    sources = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py") if path.name != "goals.py")
    assert [name for name in named if f'"{name}"' not in sources] == []


# --- what is written


def test_the_page_shows_what_was_lost_and_what_was_reached() -> None:
    page = report.page(results_of(*SAMPLE), [])
    assert "| **backup, replication, zstd** | 2.10 | 1.05 x | 1.58 | 476,190 | 50.0 MB | 90.0 MB | whole |" in page
    assert "**lost 812,982 of 1,000,000 keys**" in page
    assert r"| redis-cli --rdb - \| gzip | 8.00 | 4.00 x |" in page
    assert "**two cores only**" in page
    assert "quick run" not in page
    assert "A quick run with 1,000,000 keys" in report.page(results_of(*SAMPLE, quick=True), [])


def test_every_line_of_a_table_has_as_many_cells() -> None:
    felt = row(traffic.ALONE, 1, step="traffic", kind="floor")
    felt.rounds[0].figures = {traffic.figure("p99", 50, "GET"): 1.5}
    found = [line for line in report.page(results_of(*SAMPLE, felt), []).splitlines() if line.startswith("|")]
    cells = [line.replace(r"\|", "").count("|") for line in found]
    rulers = [index for index, line in enumerate(found) if set(line) <= set("| -:")]
    for ruler in rulers:
        assert cells[ruler - 1] == cells[ruler] == cells[ruler + 1]


def test_growth_tells_the_time_and_the_memory_of_each_key_more() -> None:
    small = row(backing_up.REPLICATION, 2)
    large = row(backing_up.REPLICATION, 21, data="10m", title="10,000,000 mixed keys", keys=10_000_000)
    large.rounds[0].peak += 9_000_000
    assert "| **backup, replication, zstd** | 10.5 x | 2.00 | 2.10 | +1.0 |" in tables.growth([(small, large)])
    assert "## Growth from 1,000,000 to 10,000,000 keys" in report.page(results_of(small, large), [])


def test_pictures_are_drawings_that_show_every_bar() -> None:
    drawn = pictures.drawn(results_of(*SAMPLE))
    assert set(drawn) == {"backup.svg", "memory.svg"}
    root = ET.fromstring(drawn["backup.svg"])  # noqa: S314 - our own
    assert len(root.findall(".//{*}rect")) == 5
    assert "redis-cli --rdb - | gzip" in "".join(root.itertext())


def test_the_table_is_put_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(results_of(*SAMPLE), tmp_path, readme)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert (
        report.quoted(text)
        == report.quoted((tmp_path / report.RESULTS).read_text())
        == report.summary(results_of(*SAMPLE))
    )
    assert report.with_table("no marks", "table") == "no marks"


def test_readme_quotes_the_results_that_are_published_and_they_are_of_one_run() -> None:
    published = ROOT / "benchmarks"
    found = results.load(published / report.JSON)
    page = (published / report.RESULTS).read_text()
    assert report.quoted((ROOT / "README.md").read_text()) == report.quoted(page) == report.summary(found)
    assert page == report.page(found, list(pictures.drawn(found)))
    for name, picture in pictures.drawn(found).items():
        assert (published / name).read_text() == picture


# --- what was asked for


def test_steps_and_data_can_be_chosen() -> None:
    assert chosen("", "") == {*STEPS, *SETS}
    assert chosen("backup,restore", "10m") == {"backup", "restore", *SETS} - {"10m"}
    assert chosen("main", "traffic") == {*STEPS, "main"} - {"traffic"}
    with pytest.raises(Exception, match="'nonsense' is none of"):
        chosen("nonsense", "")


def test_a_quick_run_is_a_part_and_only_a_whole_one_is_published() -> None:
    quick = options_of(True, chosen("", ""), None, None, None)
    assert quick.chosen == {*STEPS, "main", "tiny"}
    assert quick.keys == 100_000
    assert not quick.whole
    assert options_of(False, chosen("", ""), None, 5, None).whole
    assert not options_of(False, chosen("", "10m"), None, None, None).whole
    assert not options_of(False, chosen("", ""), 20_000, None, None).whole


# --- real processes


def test_a_process_is_timed_with_its_children_and_without_whoever_starts_it(tmp_path: Path) -> None:
    ballast = bytearray(100_000_000)
    eats = "import os; kept = b'x' * 30_000_000; end = os.times().user + 0.25\nwhile os.times().user < end: pass"
    took = timing.timed([sys.executable, "-c", "pass"], tmp_path)
    more = timing.timed(["/bin/sh", "-c", f'{sys.executable} -c "{eats}"; true'], tmp_path)
    assert took.peak < 30_000_000 < more.peak < len(ballast)
    assert more.user >= 0.2
    assert more.seconds >= 0.2
    with pytest.raises(timing.FailedError, match="oh no"):
        timing.timed(["/bin/sh", "-c", "echo oh no >&2; exit 3"], tmp_path)


def test_a_family_is_a_process_and_all_that_come_from_it() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 60 & wait"], start_new_session=True) as parent:
        try:
            eventually(lambda: len(stopwatch.family(parent.pid)) == 2, "a child")
        finally:
            timing.end_group(parent)
    assert stopwatch.family(parent.pid) == [parent.pid]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(lambda _: None, tmp_path) as found:
        yield found
    assert list(tmp_path.glob("benchmarks-*")) == []


@pytest.fixture
def held(place: Place) -> Iterator[Loaded]:
    with loaded(place, data.mixed(KEYS)) as found:
        yield found


@needs_redis_7
def test_what_is_prepared_beforehand_is_all_of_it(held: Loaded) -> None:
    with held.place.server() as target:
        feed = subprocess.run(
            ["/bin/sh", "-c", f"cat {held.restoring} | {tool('redis-cli')} -p {target.port} --pipe"],
            check=True,
            capture_output=True,
        )
        assert b"errors: 0" in feed.stdout
        assert held.compared(target) == WHOLE
        target.ask("DEL", target.ask("RANDOMKEY"))
        assert held.compared(target) == f"lost 1 of {KEYS} keys"
        target.ask("SET", "novelty", "x")
        assert held.compared(target) == "its values are not the same"
    assert held.asking.read_bytes().count(b"DUMP") == KEYS


@pytest.mark.slow
@needs_redis_7
def test_a_peer_that_loses_keys_is_shown_with_what_it_lost(
    held: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin/redis-dump-go", r"printf '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    rows = {one.name: one for one in backing_up.run(held, 1)}
    assert rows[backing_up.DUMP_GO].fault == f"lost {KEYS - 1} of {KEYS} keys"
    compared = (backing_up.REPLICATION, backing_up.SCAN, backing_up.JSON, backing_up.ALONE, backing_up.GZIP)
    present = [rows[name] for name in compared if not rows[name].missing]
    assert {one.name: one.fault for one in present} == {one.name: WHOLE for one in present}
    assert all(one.stored for one in present)
    assert rows[backing_up.SYNC].figure("seconds")


@needs_redis_7
@pytest.mark.slow
def test_a_whole_run_at_a_small_scale(tmp_path: Path) -> None:
    options = Options(keys=KEYS, rounds=1, requests=1000, taps=1, chosen=chosen("", "huge,10m"), folder=tmp_path)
    said: list[str] = []
    kept: list[Results] = []
    found = run(options, said.append, kept.append)
    assert kept[-1].rows == found.rows
    assert {one.step for one in found.rows} == set(STEPS)
    failed = [line for line in said if " failed: " in line]
    assert [one.name for one in found.rows if one.missing and one.kind == "ours"] == [], failed
    assert [(one.name, one.fault) for one in found.rows if one.fault] == []
    report.write(found, tmp_path, None)
    text = (tmp_path / report.RESULTS).read_text() + found.model_dump_json()
    assert not [secret for secret in (socket.gethostname(), str(tmp_path), str(ROOT)) if secret in text]


@pytest.mark.slow
@needs_redis_7
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_finds_no_server_left(tmp_path: Path, number: int) -> None:
    (tmp_path / "data").mkdir()
    command = ("-m", "benchmarks", "--only", "main,backup", "--keys", "20000", "--folder", str(tmp_path / "data"))
    env = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    running = Background(sys.executable, *command, "--out", str(tmp_path / "out"), env=env, cwd=tmp_path)
    try:
        running.wait_until_it_says("SYNC to nowhere")
        os.kill(running.process.pid, number)
        assert running.process.wait(30) == 1
        assert "no server is left" in running.said
        assert "Traceback" not in running.said
        assert list((tmp_path / "data").iterdir()) == []
        assert not (tmp_path / "out").exists()
        assert _mentioning(str(tmp_path / "data")) == []
    finally:
        running.stop()


def _mentioning(words: str) -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if words in line]
