"""Whatever ends a restore, an undo or a mirror half-way: what its report says is there is there, and its bound holds."""

import json
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.line import Line
from tests.faults.moments import Asked, Moment, Reply
from tests.faults.sweeps import sweep
from tests.support.backups import Given, endpoint, eventually, settings_for, take, unlocked
from tests.support.processes import PYTHON, Background, environment
from tests.support.servers import Binary, Server
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.errors import BackupSystemError, IncompleteError, LostError, TargetUnavailableError
from worker.formats.entries import Entry
from worker.progress import silent
from worker.restore import restore as restores
from worker.restore.restore import restore
from worker.restore.target.target import Target
from worker.restore.target.writer import AHEAD, BATCH_KEYS
from worker.restore.undo import undo as undos
from worker.restore.undo.undo import undo
from worker.runs.store import open_runs

KEYS, BEFORE = 6000, 1000
UNDER_WAY = (AHEAD + 1) * BATCH_KEYS
"""Keys that may be on their way at once, at the most: so many batches, and the one at hand."""
NUMBERS = re.compile(r"([\d,]+) (restored|skipped|expired|failed|deleted|put back|left alone)")
MORE = re.compile(r"up to ([\d,]+) more were on their way")

Operation = Callable[["Cut"], dict[str, Any]]


@dataclass
class Cut:
    """A target behind a line, and a backup that is to go there."""

    server: Server
    line: Line
    storage: Path
    kind: str
    """`string`, or `list`: which are built under other names where the backup is json."""

    def settings(self) -> Any:
        return settings_for(self.server, self.storage, redis_url=self.line.url)

    def restore(self, **arguments: Any) -> dict[str, Any]:
        return restore(self.settings(), RestoreArguments(name=self.name, **arguments), silent)

    @property
    def name(self) -> str:
        (found,) = [path.name for path in self.storage.glob("*.manifest.json") if "undo" not in path.read_text()[:400]]
        return found.removesuffix(".manifest.json")

    def there(self, value: bytes = b"backup") -> int:
        """Keys of the backup that have this value."""
        client = self.server.client()
        pipe = client.pipeline(transaction=False)
        for number in range(KEYS):
            pipe.get(f"key:{number}") if self.kind == "string" else pipe.lindex(f"key:{number}", 0)
        return pipe.execute(raise_on_error=False).count(value)

    def unfinished(self) -> list[bytes]:
        return list(self.server.client().scan_iter("redis_backup:*", count=5000))


def fill(server: Server, kind: str, value: str, keys: range) -> None:
    pipe = server.client().pipeline(transaction=False)
    for number in keys:
        pipe.delete(f"key:{number}")
        pipe.set(f"key:{number}", value) if kind == "string" else pipe.rpush(f"key:{number}", value, "more")
    pipe.execute()


SLOW = [pytest.param(data, marks=pytest.mark.slow) for data in ("json of strings", "json of lists")]


@pytest.fixture(params=["rdb", *SLOW])
def cut(
    request: pytest.FixtureRequest, newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path
) -> Cut:
    """A target that holds other values of some keys, and some keys besides."""
    kind = "list" if request.param.endswith("lists") else "string"
    server, storage = start_server(newest), tmp_path / "backups"
    fill(server, kind, "backup", range(KEYS))
    take(server, storage, format=request.param.partition(" ")[0])
    server.client().flushall()
    fill(server, kind, "live", range(BEFORE))
    fill(server, kind, "live", range(KEYS, KEYS + 2000))
    return Cut(server, wire_to(server), storage, kind)


def written_by(cut: Cut) -> bytes:
    """The command by which keys are given their names."""
    rdb = cut.name.removesuffix(".zst").endswith(".rdb")
    return b"RESTORE" if rdb else b"SET" if cut.kind == "string" else b"EXEC"


def numbers(text: str) -> dict[str, int]:
    return {what: int(number.replace(",", "")) for number, what in NUMBERS.findall(text)}


def more(text: str) -> int:
    found = MORE.search(text)
    return int(found[1].replace(",", "")) if found else 0


MOMENTS: dict[str, Callable[[bytes], Moment]] = {
    "on its way": lambda command: Asked(command, nth=3000),
    "before its answer": lambda command: Reply(command, nth=3000),
    "at the first": lambda command: Reply(command, nth=60),
}


MODES = ["overwrite", "skip", "mirror"]


@pytest.mark.slow
@sweep("moment", MOMENTS)
@sweep("mode", MODES)
def test_of_a_cut_restore_as_many_keys_are_there_as_it_says(mode: str, moment: str, cut: Cut) -> None:
    # A mirror goes key by key, for the part is all.
    part = {"match": "*"} if mode == "mirror" else {}
    fault = cut.line.cut(MOMENTS[moment](written_by(cut)))
    with pytest.raises(TargetUnavailableError, match=r"Until then: .* Run the same again to complete it\.$") as caught:
        cut.restore(mode=mode, **part)
    assert fault.happened
    told, report = str(caught.value), caught.value.report
    assert report is not None
    there, confirmed, bound = cut.there(), numbers(told)["restored"], more(told)
    assert confirmed <= there <= confirmed + bound
    # Of values that are built first perhaps none was being given its name just then.
    assert bound + (report["unfinished"] if cut.kind == "list" else 0) > 0
    assert bound <= UNDER_WAY
    assert (report["restored"], report["unconfirmed"], report["cut_short"]) == (confirmed, bound, True)
    assert report["undo"]["name"]
    assert len(cut.unfinished()) <= report["unfinished"] <= 2 * UNDER_WAY
    assert all(cut.server.client().ttl(key) > 0 for key in cut.unfinished())
    assert f"The target holds {report['keys_after']:,} keys now, and {report['keys_before']:,} before." in told
    assert report["keys_before"] == BEFORE + 2000
    cut.line.heal()
    assert cut.restore(mode=mode, **part)["failed"] == 0
    assert cut.there() == KEYS - (BEFORE if mode == "skip" else 0)


@pytest.mark.slow
def test_of_a_cut_deletion_as_many_keys_are_gone_as_it_says(cut: Cut) -> None:
    client = cut.server.client()
    pipe = client.pipeline(transaction=False)
    for number in range(20_000):
        pipe.set(f"other:{number}", "x")
    pipe.execute()
    fault = cut.line.cut(Reply(b"UNLINK", nth=12))
    with pytest.raises(TargetUnavailableError, match=r"up to [0-9,]+ more may be deleted") as caught:
        cut.restore(mode="mirror", match="*")
    assert fault.happened
    report = caught.value.report
    assert report is not None
    gone = 20_000 + KEYS + 2000 - client.dbsize()
    assert report["deleted"] <= gone <= report["deleted"] + report["undeleted"]
    assert numbers(str(caught.value))["deleted"] == report["deleted"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_of_a_cut_undo_as_many_keys_are_back_as_it_says(moment: str, cut: Cut) -> None:
    fill(cut.server, cut.kind, "live", range(KEYS))
    kept = cut.restore(mode="overwrite")["undo"]["name"]
    assert cut.there() == KEYS
    fault = cut.line.cut(MOMENTS[moment](b"RESTORE"))
    with pytest.raises(TargetUnavailableError, match=r"Until then: .* put back") as caught:
        undo(cut.settings(), UndoArguments(run=kept), silent)
    assert fault.happened
    told, report = str(caught.value), caught.value.report
    assert report is not None
    there, confirmed, bound = cut.there(b"live"), numbers(told)["put back"], more(told)
    assert confirmed <= there <= confirmed + bound
    assert 0 < bound <= UNDER_WAY + 500
    assert (report["put_back"], report["unconfirmed"], report["cut_short"]) == (confirmed, bound, True)
    cut.line.heal()
    undos.check_complete(undo(cut.settings(), UndoArguments(run=kept), silent))
    assert cut.there(b"live") == KEYS


def test_of_values_that_get_no_name_any_more_as_many_are_there_as_it_says(
    newest: Binary, start_server: StartServer
) -> None:
    server, proofs = start_server(newest), count()
    asked = endpoint(server, hurried=True)
    target, fence = Target(asked, "overwrite"), unlocked(asked)

    def prove() -> None:
        if next(proofs) == 20:
            raise LostError("Somebody else is at work there.")

    fence.prove = prove
    lists = [Entry(0, b"key:%d" % number, None, "list", None, [b"some", b"more"]) for number in range(200)]
    with pytest.raises(LostError):
        list(target.restore(Given(lists, rdb_version=None), fence))
    report, client = target.report, server.client()
    unfinished = len(list(client.scan_iter("redis_backup:*", count=1000)))
    assert 0 < unfinished <= report.unfinished <= len(lists)
    assert report.restored <= client.dbsize() - unfinished <= report.restored + report.unconfirmed


# What others do to the target meanwhile


@sweep("wipe", ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1"])
@sweep("mode", MODES)
def test_a_flush_meanwhile_is_told_with_what_is_gone(mode: str, wipe: str, cut: Cut) -> None:
    client: Any = cut.server.client()
    part = {"match": "*"} if mode == "mirror" else {}
    fault = cut.line.call(Asked(written_by(cut), nth=4000), lambda: client.execute_command(*wipe.split()))
    report = cut.restore(mode=mode, **part)
    assert fault.happened
    assert report["gone"] == report["restored"] - client.dbsize() > 0
    assert any(
        re.search(
            f"{wipe.split(maxsplit=1)[0]} was called on it meanwhile, and at least {report['gone']:,} of the keys",
            words,
        )
        for words in report["warnings"]
    )
    with pytest.raises(IncompleteError, match=f"{wipe.split(maxsplit=1)[0]} was called on it meanwhile"):
        restores.check_complete(report)


@pytest.mark.slow
def test_a_flush_during_an_undo_is_told(cut: Cut) -> None:
    fill(cut.server, cut.kind, "live", range(KEYS))
    kept = cut.restore(mode="overwrite")["undo"]["name"]
    fault = cut.line.call(Asked(b"RESTORE", nth=3000), cut.server.client().flushall)
    # What is looked at after the flush is not there any more, so others have changed it: that is left alone.
    report = undo(cut.settings(), UndoArguments(run=kept, force=True), silent)
    assert fault.happened
    assert report["gone"] == report["put_back"] - cut.server.client().dbsize() > 0
    with pytest.raises(IncompleteError, match="FLUSHALL was called on it meanwhile"):
        undos.check_complete(report)


@pytest.mark.slow
def test_a_flush_of_another_database_harms_nothing_and_is_told(cut: Cut) -> None:
    cut.server.client(7).set("theirs", "x")
    fault = cut.line.call(Asked(written_by(cut), nth=2000), cut.server.client(7).flushdb)
    report = cut.restore(mode="overwrite")
    assert fault.happened
    assert (report["gone"], report["wiped"]) == (0, "FLUSHDB was called on it meanwhile")
    assert any("FLUSHDB was called on it meanwhile. Look at what is there" in words for words in report["warnings"])
    restores.check_complete(report)


@pytest.mark.slow
def test_keys_that_others_delete_meanwhile_are_told_where_the_numbers_show_it(cut: Cut) -> None:
    client = cut.server.client()
    client.flushall()

    def delete() -> None:
        # Also where nobody counts commands.
        client.config_resetstat()
        client.delete(*(f"key:{number}" for number in range(1500)))

    fault = cut.line.call(Asked(written_by(cut), nth=4000), delete)
    report = cut.restore()
    assert fault.happened
    assert report["gone"] == KEYS - client.dbsize() > 0
    assert any(
        words.startswith(f"At least {report['gone']:,} of the keys that were written") for words in report["warnings"]
    )
    restores.check_complete(report)


@pytest.mark.slow
def test_a_target_that_is_restarted_meanwhile_is_told_as_such(cut: Cut) -> None:
    def restart() -> None:
        cut.server.kill()
        cut.server.start()

    fault = cut.line.call(Asked(written_by(cut), nth=3000), restart)
    with pytest.raises(BackupSystemError, match="it was restarted meanwhile") as caught:
        cut.restore(mode="overwrite")
    assert fault.happened
    assert caught.value.report is not None
    assert caught.value.report["keys_after"] == cut.server.client().dbsize()


# A shell that is stopped


@dataclass
class Stopped:
    """A verb in a process of its own that is stopped, and what came of it."""

    cut: Cut
    broker: Server
    folder: Path

    def run(self, *arguments: str, stop: signal.Signals, nth: int, command: bytes) -> tuple[int, str, str]:
        env = environment(
            REDIS_URL=self.cut.line.url, BACKUP_STORAGE=str(self.cut.storage), CELERY_BROKER_URL=self.broker.url
        )
        process = Background(*PYTHON, *arguments, env=env, cwd=self.folder, name="verb")
        fault = self.cut.line.call(Asked(command, nth=nth), lambda: os.kill(process.process.pid, stop))
        code = process.process.wait(60)
        assert fault.happened, process.said
        return code, (self.folder / "verb.out").read_text(), (self.folder / "verb.err").read_text()

    def remembered(self, operation: str) -> Any:
        with open_runs(self.cut.settings().model_copy(update={"celery_broker_url": self.broker.url})) as runs:
            return next(runs.each(operation))


@pytest.fixture
def stopped(cut: Cut, newest: Binary, start_server: StartServer, tmp_path: Path) -> Stopped:
    return Stopped(cut, start_server(newest), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("mode", MODES)
def test_a_restore_that_is_stopped_tells_exactly_what_it_did(mode: str, stop: signal.Signals, stopped: Stopped) -> None:
    cut = stopped.cut
    part = ("--match", "*") if mode == "mirror" else ()
    given = ("restore", cut.name, "--mode", mode, "--yes", "--json", *part)
    code, out, err = stopped.run(*given, stop=stop, nth=2500, command=written_by(cut))
    report, there = json.loads(out), cut.there()
    assert code == 1
    assert err.startswith("Stopped. Until then: ")
    assert numbers(err)["restored"] == report["restored"]
    # Between two batches nothing is on its way.
    assert (report["restored"], report["unconfirmed"], report["cut_short"]) == (there, 0, True)
    assert 0 < there < KEYS - BEFORE
    run = stopped.remembered("restore")
    assert (run.state, run.error, run.value["restored"]) == ("INTERRUPTED", err.strip(), there)
    assert 0 < run.progress["current"] <= there + report["skipped"]


@pytest.mark.slow
def test_in_words_too(stopped: Stopped) -> None:
    cut = stopped.cut
    code, out, _ = stopped.run("restore", cut.name, stop=signal.SIGTERM, nth=2500, command=written_by(cut))
    assert code == 1
    assert re.search(f"^{cut.name} .*to .*, not to its end: {cut.there():,} restored, ", out)
    assert re.search(r"It can be undone for 7 days: python -m worker undo redis_backup_", out)


@pytest.mark.slow
def test_an_undo_that_is_stopped_tells_exactly_what_it_did(stopped: Stopped) -> None:
    cut = stopped.cut
    fill(cut.server, cut.kind, "live", range(KEYS))
    kept = cut.restore(mode="overwrite")["undo"]["name"]
    code, out, err = stopped.run("undo", kept, "--yes", "--json", stop=signal.SIGTERM, nth=2500, command=b"RESTORE")
    report, there = json.loads(out), cut.there(b"live")
    assert code == 1
    assert re.match(f"Stopped. Until then: {there:,} put back, 0 deleted, 0 left alone.", err)
    assert (report["put_back"], report["unconfirmed"], report["cut_short"]) == (there, 0, True)
    run = stopped.remembered("undo")
    assert (run.state, run.error, run.value["put_back"]) == ("INTERRUPTED", err.strip(), there)


@pytest.mark.slow
def test_beside_a_target_that_hangs_a_second_ctrl_c_is_not_needed(stopped: Stopped) -> None:
    cut = stopped.cut
    command = written_by(cut)
    held = cut.line.pause(Reply(command, nth=2500))
    code, out, err = stopped.run("restore", cut.name, "--json", stop=signal.SIGTERM, nth=2500, command=command)
    assert held.happened
    assert code == 1
    assert re.search(r"^Stopped\. Until then: .* are confirmed, and up to [\d,]+ (more|unfinished)", err.strip())
    cut.line.resume()
    told, bound = numbers(err)["restored"], more(err)
    report, run = json.loads(out), stopped.remembered("restore")
    assert (report["restored"], report["unconfirmed"], report["cut_short"]) == (told, bound, True)
    assert (run.state, run.value) == ("INTERRUPTED", report)
    assert eventually(lambda: told <= cut.there() <= told + bound)
    # Values that are built under other names get their own only once they are known to be whole.
    assert bound <= UNDER_WAY
    assert cut.kind == "list" or bound > 0
