"""What happens to a source, before it is read or in the middle: the backup fails with the reason, or it is whole.

| fault | moment | engine | outcome |
|---|---|---|---|
| it loads its data | before | each | failed: "still loading", to be tried again |
| it loads its data anew | in the middle | each | the same, nothing kept; or whole |
| a replica's link to its primary is down | before | each | failed: "without a link" |
| a replica loses its link | in the middle | each | whole, as it was then, with a warning where it was read on; or the same, nothing kept |
| the user loses a right, is switched off, is deleted | in the middle | each | failed in the server's words; or whole |
| its password becomes another one | in the middle | each | whole, or "refuses the user name or password" |
| TLS is cut, reset | in the middle | each | failed, nothing kept |
"""

import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.line import Line
from tests.faults.moments import After, Reply
from tests.faults.sweeps import sweep
from tests.support.backups import asking, bring_back, files, settings_for, take, wipe
from tests.support.processes import eventually
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import BackupArguments
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments
from worker.backups.backup import backup
from worker.backups.stats import stats
from worker.config.settings import Settings
from worker.engines.probe import ping
from worker.errors import BackupSystemError, SourceUnavailableError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.search.search import search
from worker.storage.local import Folder

KEYS, BIG = 4000, 8
ENGINES = ["replication", "scan", "typed"]
MIDDLE: dict[str, Any] = {
    "replication": Reply(b"PSYNC", at=200_000),
    # The first only asks whether it may.
    "auto": Reply(b"PSYNC", nth=2, at=200_000),
    "scan": Reply(b"DUMP", nth=600),
    "typed": Reply(b"GET", nth=600),
}
each_engine = pytest.mark.parametrize("engine", ENGINES)


def fill(server: Server) -> Server:
    client = server.client()
    client.mset({f"key:{number}": f"value {number}" for number in range(KEYS)})
    client.mset({f"big:{number}": os.urandom(200_000) for number in range(BIG)})
    return server


def made(url: str, storage: Path, engine: str, server: Server) -> dict[str, Any]:
    settings = settings_for(server, storage, redis_url=url, backup_pace="full")
    told = {"engine": engine, "format": "json" if engine == "typed" else "rdb"}
    return backup(settings, BackupArguments.model_validate(told), silent)


def fails(url: str, storage: Path, engine: str, server: Server) -> BackupSystemError:
    """The error of a backup that leaves nothing."""
    with pytest.raises(BackupSystemError) as caught:
        made(url, storage, engine, server)
    assert re.fullmatch(r"[A-Z][^\n]*[.?]", str(caught.value))
    assert files(storage) == []
    return caught.value


def fails_or_is_whole(line: Line, storage: Path, engine: str, server: Server, wiped: Server | None = None) -> str:
    """What the error says, if there is one; a backup that was made holds all that was there, as a restore shows."""
    before = state(server)
    try:
        manifest = made(line.url, storage, engine, server)
    except BackupSystemError as error:
        told = str(error)
    else:
        told = ""
    assert re.fullmatch(r"[A-Z][^\n]*[.?]|", told)
    if told:
        assert files(storage) == []
        return told
    assert (manifest["kind"], manifest["keys"]) == ("backup", KEYS + BIG)
    wiped = wiped or server
    eventually(lambda: not is_loading(wiped), "the server to have loaded all")
    wipe(wiped)
    bring_back(wiped, storage)
    assert_same(before, state(wiped))
    return ""


STILL_LOADING = "The source at {} is still loading its data: try again when it is done."
SLOWLY = ("--key-load-delay", "2500", "--loading-process-events-interval-bytes", "1024", "--hz", "100")


@pytest.fixture
def slow(newest: Binary, start_server: StartServer) -> Server:
    """One that loads so slowly that it can be asked meanwhile."""
    server = fill(start_server(newest, *SLOWLY))
    server.client().save()
    return server


def is_loading(server: Server) -> bool:
    return bool(server.client().info("persistence")["loading"])


ASKING: dict[str, Callable[[Settings], object]] = {
    "ping": ping,
    "stats": stats,
    "preview": lambda settings: preview(settings, PreviewArguments(name="latest"), silent),
    "search": lambda settings: search(settings, SearchArguments(key="key:1"), silent),
    "restore": lambda settings: restore(settings, RestoreArguments(name="latest"), silent),
}


@sweep("engine", ["replication", "scan", "typed"])
def test_a_source_that_is_loading_is_not_read(engine: str, slow: Server, tmp_path: Path) -> None:
    slow.kill()
    slow.start()
    assert is_loading(slow)
    error = fails(slow.url, tmp_path / "storage", engine, slow)
    assert type(error) is SourceUnavailableError
    assert str(error) == STILL_LOADING.format(f"127.0.0.1:{slow.port}")


@sweep("verb", ASKING)
def test_whatever_else_is_asked_of_one_that_is_loading_says_so(verb: str, slow: Server, tmp_path: Path) -> None:
    take(slow, tmp_path / "storage")
    slow.kill()
    slow.start()
    assert is_loading(slow)
    try:
        told = str(ASKING[verb](settings_for(slow, tmp_path / "storage")))
    except BackupSystemError as error:
        told = str(error)
    assert "'loading': True" in told if verb == "stats" else "still loading its data" in told


@pytest.mark.slow
@each_engine
def test_a_source_that_loads_anew_in_the_middle_gives_no_half_backup(
    engine: str, slow: Server, wire_to: WireTo, tmp_path: Path
) -> None:
    def reload() -> None:
        reloading.start()
        eventually(lambda: is_loading(slow), "the server to load")

    reloading = threading.Thread(target=lambda: asking(slow).execute_command("DEBUG", "RELOAD"))
    line = wire_to(slow)
    fault = line.call(MIDDLE[engine], reload)
    told = fails_or_is_whole(line, tmp_path / "storage", engine, slow)
    assert fault.happened
    reloading.join()
    # A snapshot that is under way is made by a child, with data of its own.
    assert told == ("" if engine == "replication" else STILL_LOADING.format(f"127.0.0.1:{line.port}"))


WITHOUT_LINK = "The source at {} is a replica without a link to its primary: mend that link, or name the primary."


@pytest.fixture
def replica(newest: Binary, start_server: StartServer) -> Server:
    """One that follows a primary with data; beside it lies a third server, to restore into."""
    primary, replica = fill(start_server(newest)), start_server(newest)
    replica.client().replicaof("127.0.0.1", str(primary.port))
    eventually(lambda: link(replica) == "up" and replica.client().dbsize() == KEYS + BIG, "the replica to follow")
    vars(replica).update(primary=primary, spare=start_server(newest))
    return replica


def link(replica: Server) -> str:
    return str(replica.client().info("replication").get("master_link_status"))


def lose_the_link(replica: Server) -> None:
    vars(replica)["primary"].kill()
    eventually(lambda: link(replica) == "down", "the replica to notice")


@each_engine
def test_a_replica_whose_link_is_down_is_not_read(engine: str, replica: Server, tmp_path: Path) -> None:
    lose_the_link(replica)
    error = fails(replica.url, tmp_path / "storage", engine, replica)
    assert type(error) is SourceUnavailableError
    assert str(error) == WITHOUT_LINK.format(f"127.0.0.1:{replica.port}")


@pytest.mark.sweep
@each_engine
@pytest.mark.parametrize("stale", ["yes", "no"], ids=["serves-stale-data", "serves-nothing"])
def test_a_replica_that_loses_its_link_in_the_middle_gives_all_that_it_had_or_nothing(
    stale: str, engine: str, replica: Server, wire_to: WireTo, tmp_path: Path
) -> None:
    asking(replica).execute_command("CONFIG", "SET", "replica-serve-stale-data", stale)
    line = wire_to(replica)
    fault = line.call(MIDDLE[engine], lambda: lose_the_link(replica))
    told = fails_or_is_whole(line, tmp_path / "storage", engine, replica, wiped=vars(replica)["spare"])
    assert fault.happened
    whole = stale == "yes" or engine == "replication"
    assert told == ("" if whole else WITHOUT_LINK.format(f"127.0.0.1:{line.port}"))
    warned = [words for one in catalogue.read(Folder(tmp_path / "storage")).backups for words in one.warnings]
    lost = f"The source at 127.0.0.1:{line.port} is a replica that lost the link to its primary while it was read: what"
    # A snapshot is of a moment at which it had one.
    assert any(words.startswith(lost) for words in warned) is (whole and engine != "replication")


@dataclass(frozen=True)
class Change:
    """What becomes of a user, and what a backup says that is being read key by key; one by snapshot says nothing."""

    words: tuple[str, ...]
    says: str


# Which command is the first to be refused is chance: many are sent at once, and the server has read some of them by then.
NOT_ALLOWED = "NOPERM .* no permissions to run the '(scan|type|get|dump)' command"
CHANGES = {
    "loses its rights": Change(("SETUSER", "careful", "-@all", "+auth", "+select"), NOT_ALLOWED),
    "may read no key": Change(("SETUSER", "careful", "resetkeys"), "NOPERM No permissions to access a key"),
    "is switched off": Change(("SETUSER", "careful", "off"), "refuses the user name or password: check REDIS_URL"),
    "is deleted": Change(("DELUSER", "careful"), "(broke|closed|ended) the connection"),
    "has another password": Change(
        ("SETUSER", "careful", "resetpass", ">another"), "refuses the user name or password"
    ),
}


@sweep("engine", ["typed", "scan", "replication", "auto"])
@sweep("change", CHANGES)
def test_a_user_who_is_changed_in_the_middle_gives_a_whole_backup_or_the_servers_words(
    change: str, engine: str, newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path
) -> None:
    server, (words, says) = fill(start_server(newest)), (CHANGES[change].words, CHANGES[change].says)
    asking(server).execute_command("ACL", "SETUSER", "careful", "on", ">secret", "~*", "&*", "+@all")
    line = wire_to(server)
    line.url = line.url.replace("//", "//careful:secret@")
    fault = line.call(MIDDLE[engine], lambda: asking(server).execute_command("ACL", *words))
    told = fails_or_is_whole(line, tmp_path / "storage", engine, server)
    assert fault.happened
    assert "secret" not in told
    snapshot = engine in ("replication", "auto")
    # Who is deleted loses its connections; all else is asked of a command when it comes.
    assert (told == "") if snapshot and change != "is deleted" else re.search(says, told)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@each_engine
def test_a_connection_over_tls_that_is_cut_leaves_nothing(
    engine: str, reset: bool, encrypted: Server, wire_to: WireTo, tmp_path: Path
) -> None:
    line = wire_to(fill(encrypted))
    fault = line.cut(After(400_000), reset=reset)
    error = fails(line.url, tmp_path / "storage", engine, encrypted)
    assert fault.happened
    assert isinstance(error, SourceUnavailableError)
    assert re.search("(broke|closed|ended) the connection", str(error))
