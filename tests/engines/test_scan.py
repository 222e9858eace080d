"""SCAN and DUMP: every key that stays is there once, whatever happens to the others meanwhile."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, bring_back, endpoint, eventually, files, fill_all, settings_for, take, wipe
from tests.support.servers import Server
from tests.support.states import assert_same, state
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.engines.scan import Scan
from worker.errors import SourceError, SourceUnavailableError
from worker.formats.compression import COMPRESSIONS
from worker.formats.entries import Entry
from worker.formats.rdb.codes import FIRST_VALKEY_VERSION
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.writer import write
from worker.progress import silent

BIG = 5 << 20


def scanned(server: Server, *databases: int, hurried: bool = False) -> list[Entry]:
    scan = Scan(endpoint(server, hurried=hurried), list(databases) or [0])
    return [entry for batch in scan.batches() for entry in batch]


def add(server: Server, prefix: str, count: int) -> set[bytes]:
    pipe = server.client().pipeline(transaction=False)
    names = [f"{prefix}:{number}" for number in range(count)]
    for name in names:
        pipe.set(name, name)
    pipe.execute()
    return {name.encode() for name in names}


@contextlib.contextmanager
def meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do this work in a thread; it is told when to stop, and has to end well.

    Threads of one process take turns: work that adds keys must pause, or they come faster than the other one reads them.
    """
    stop, failed = threading.Event(), []

    def run() -> None:
        try:
            work(stop)
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failed


def version_of(server: Server) -> int:
    """The RDB version that the server itself writes."""
    server.client().save()
    # REDIS0012 or VALKEY080
    return int((server.folder / "dump.rdb").read_bytes()[6:9])


@pytest.mark.parametrize("filled", [True, False], ids=["with data", "empty"])
def test_the_file_has_the_servers_own_version_and_is_loaded(
    filled: bool, source: Server, start_server: StartServer, tmp_path: Path
) -> None:
    if filled:
        fill_all(source)
    manifest = take(source, tmp_path, engine="scan", compression="none")
    own = version_of(source)
    assert manifest["rdb_version"] == own
    magic = b"VALKEY%03d" if own >= FIRST_VALKEY_VERSION else b"REDIS%04d"
    assert (tmp_path / manifest["name"]).read_bytes()[:9] == magic % own
    loaded = start_server(source.binary)
    loaded.kill()
    (loaded.folder / "dump.rdb").write_bytes((tmp_path / manifest["name"]).read_bytes())
    loaded.start()
    assert_same(loaded, source)
    assert state(loaded).functions == state(source).functions


def test_an_empty_database_gives_a_backup_without_keys(source: Server, tmp_path: Path) -> None:
    manifest = take(source, tmp_path, engine="scan")
    assert (manifest["keys"], manifest["keys_by_db"], manifest["functions"]) == (0, {}, 0)
    source.client().set("mine", "untouched")
    assert bring_back(source, tmp_path)["restored"] == 0
    assert source.client().get("mine") == b"untouched"


def test_functions_are_kept(source: Server, tmp_path: Path) -> None:
    if source.binary.version < (7, 0):
        assert take(source, tmp_path, engine="scan")["functions"] == 0
        return
    fill_all(source)
    long = "#!lua name=long\n" + "-- " + "x" * 50_000 + "\nredis.register_function('g', function() return 2 end)"
    asking(source).execute_command("FUNCTION", "LOAD", long)
    before = state(source).functions
    assert take(source, tmp_path, engine="scan")["functions"] == len(before) == 3
    wipe(source)
    assert bring_back(source, tmp_path)["functions"] == 3
    assert state(source).functions == before


def test_functions_that_may_not_be_read_are_missed_aloud(source: Server, tmp_path: Path) -> None:
    fill_all(source)
    rules = ["on", ">pw", "~*", "+@all", "-psync", *(["-function|dump"] if source.binary.version >= (7, 0) else [])]
    asking(source).execute_command("ACL", "SETUSER", "careful", *rules)
    settings = settings_for(source, tmp_path, redis_url=source.url.replace("//", "//careful:pw@"))
    warnings = backup(settings, BackupArguments(engine="scan"), silent)["warnings"]
    assert ["FUNCTION DUMP is not allowed" in warning for warning in warnings] == [True] * (len(rules) - 5)


@pytest.mark.parametrize("number", [1, 3])
def test_values_of_five_megabytes_come_back(number: int, source: Server, tmp_path: Path) -> None:
    client = source.client()
    for one in range(number):
        client.set(f"big:{one}", bytes(range(256)) * (BIG // 256))
        client.rpush(f"list:{one}", *[b"%d" % one * 1000] * 5000)
        client.set(f"small:{one}", "x", px=1_000_000_000)
    before = state(source)
    assert take(source, tmp_path, engine="scan")["keys"] == 3 * number
    client.flushall()
    bring_back(source, tmp_path)
    assert_same(source, before)


def test_keys_that_vanish_between_scan_and_dump_do_no_harm(source: Server) -> None:
    stay = add(source, "stays", 5000)
    add(source, "goes", 20_000)

    def delete(stop: threading.Event) -> None:
        client = source.client()
        for number in range(20_000):
            client.delete(f"goes:{number}")
            if stop.is_set():
                return

    with meanwhile(delete):
        keys = [entry.key for entry in scanned(source)]
    assert len(keys) == len(set(keys))
    assert stay <= set(keys)


def test_keys_that_expire_meanwhile_do_no_harm(source: Server) -> None:
    stay = add(source, "stays", 2000)
    pipe = source.client().pipeline(transaction=False)
    for number in range(20_000):
        pipe.set(f"goes:{number}", "x", px=1 + number // 100)
    pipe.execute()
    keys = [entry.key for entry in scanned(source)]
    assert len(keys) == len(set(keys))
    assert stay <= set(keys)


@pytest.mark.slow
def test_every_key_that_stays_is_there_once_while_the_table_grows_and_shrinks(source: Server) -> None:
    stay = add(source, "stays", 8000)
    add(source, "goes", 40_000)

    def churn(stop: threading.Event) -> None:
        round_ = 0
        while not stop.is_set():
            if not round_:
                # From 48,000 to 8,000: the table shrinks under the cursor.
                for start in range(0, 40_000, 10_000):
                    source.client().unlink(*(f"goes:{number}" for number in range(start, start + 10_000)))
            add(source, f"comes:{round_}", 1000)
            round_ += 1
            stop.wait(0.05)

    with meanwhile(churn):
        keys = [entry.key for entry in scanned(source, hurried=True)]
    assert len(keys) == len(set(keys))
    assert stay <= set(keys)


@pytest.mark.slow
def test_a_table_that_shrinks_between_two_batches_repeats_and_loses_nothing(source: Server) -> None:
    stay = add(source, "stays", 3000)
    add(source, "goes", 60_000)
    keys: list[bytes] = []
    for turn, batch in enumerate(Scan(endpoint(source), [0]).batches()):
        keys += [entry.key for entry in batch]
        if turn == 5:
            source.client().delete(*(f"goes:{number}" for number in range(60_000)))
    assert len(keys) == len(set(keys))
    assert stay <= set(keys)


def test_what_is_written_while_keys_change_is_a_whole_file(source: Server, tmp_path: Path) -> None:
    stay = add(source, "stays", 5000)

    def write_on(stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            add(source, f"comes:{number}", 500)
            number += 1
            stop.wait(0.05)

    with meanwhile(write_on):
        manifest = take(source, tmp_path, engine="scan")
    with (tmp_path / manifest["name"]).open("rb") as file:
        reader = Reader(COMPRESSIONS["zstd"].decompress(iter([file.read()])), values=True)
        entries = [entry for batch in reader.batches() for entry in batch]
    assert len(entries) == manifest["keys"]
    assert stay <= {entry.key for entry in entries}


def test_a_server_that_is_killed_leaves_no_backup(source: Server, tmp_path: Path) -> None:
    add(source, "key", 20_000)
    batches = Scan(endpoint(source), [0]).batches()
    assert next(batches)
    source.kill()
    with pytest.raises(SourceUnavailableError):
        list(batches)
    with pytest.raises(SourceUnavailableError):
        take(source, tmp_path / "none", engine="scan")
    assert files(tmp_path / "none") == []


def test_a_key_that_may_not_be_read_ends_the_run_and_is_named(source: Server, tmp_path: Path) -> None:
    add(source, "mine", 10)
    add(source, "secret", 1)
    asking(source).execute_command("ACL", "SETUSER", "careful", "on", ">pw", "~mine:*", "+@all", "-psync")
    settings = settings_for(source, tmp_path / "none", redis_url=source.url.replace("//", "//careful:pw@"))
    with pytest.raises(SourceError, match=r"'secret:0' of database 0.*NOPERM"):
        backup(settings, BackupArguments(engine="scan"), silent)
    assert files(tmp_path / "none") == []


def test_no_client_is_left_behind(source: Server) -> None:
    add(source, "key", 2000)
    assert len(scanned(source, 0, 3)) == 2000
    batches = Scan(endpoint(source), [0]).batches()
    assert next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert eventually(lambda: len(source.client().client_list()) == 1)


def test_a_file_of_our_own_reads_as_the_keys_it_was_made_of(source: Server) -> None:
    fill_all(source)
    entries = scanned(source, 0, 3)
    data = b"".join(write(Scan(endpoint(source), [0, 3]), {}))
    again = [entry for batch in Reader(iter([data]), values=True).batches() for entry in batch]
    assert sorted(again, key=lambda entry: (entry.db, entry.key)) == sorted(
        entries, key=lambda entry: (entry.db, entry.key)
    )
