"""Bad input, and what it gets: one plain sentence that says what to do, the right exit code, nothing lost or written."""

import contextlib
import ctypes
import json
import re
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from os import urandom
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import take
from tests.support.processes import CANARY, Ended, Shell, command, damaged_dump, eventually, listing, with_password
from tests.support.servers import Binary, Server, free_port
from tests.support.states import state
from worker.repository import catalogue
from worker.repository.manifest import to_json
from worker.storage.local import Folder

SETTINGS = {
    "BACKUP_FORMAT": "xml",
    "BACKUP_STORAGE": "ftp://somewhere/backups",
}


@dataclass
class House:
    """A source behind a password, one good backup of it, and a shell there."""

    source: Server
    shell: Shell
    name: str
    start_server: StartServer
    settings: dict[str, str] = field(default_factory=dict)
    preexec: Callable[[], None] | None = None

    @property
    def artifact(self) -> Path:
        return self.shell.storage / self.name

    @property
    def manifest(self) -> Path:
        return self.shell.storage / f"{self.name}.manifest.json"

    @property
    def folder(self) -> Path:
        return self.shell.folder

    def second(self, *options: str, **more: Any) -> Server:
        """Another server, which the shell then talks to."""
        server: Server = self.start_server(self.source.binary, *options, password=CANARY, **more)
        self.settings["REDIS_URL"] = server.url
        return server

    def run(self, *arguments: str) -> Ended:
        return self.shell(*arguments, preexec=self.preexec, **self.settings)

    def refuses(self, *arguments: str, code: int = 1, words: str, watched: Server | None = None) -> None:
        """Run a command that must fail in the way that everything here must fail."""
        server = watched or self.source
        alive = server.process.poll() is None
        before = (listing(self.shell.storage), state(server) if alive else None)
        ended = self.run(*arguments)
        said = ended.out + ended.err
        assert ended.code == code, said
        assert ended.out == ""
        sentence = ended.err.splitlines()[-1]
        assert re.fullmatch(r"Error: \S.*[.?!)]", sentence), ended.err
        assert re.search(words, sentence), sentence
        usage = ended.err.splitlines()[:-1]
        assert not usage or usage[0].startswith("Usage: "), ended.err
        assert "Traceback" not in said
        assert CANARY not in said
        assert (listing(self.shell.storage), state(server) if alive else None) == before


@pytest.fixture
def house(newest: Binary, start_server: StartServer, tmp_path: Path) -> House:
    source = start_server(newest, password=CANARY)
    for number in range(50):
        source.client().set(f"key:{number}", urandom(100))
    name = take(source, tmp_path / "backups")["name"]
    return House(source, Shell(source.url, tmp_path / "backups", tmp_path), name, start_server)


def _nobody_there(house: House) -> None:
    house.settings["REDIS_URL"] = f"redis://:{CANARY}@127.0.0.1:{free_port()}/0"


def _no_such_host(house: House) -> None:
    house.settings["REDIS_URL"] = f"redis://:{CANARY}@no-such-host.invalid:6379/0"


def _no_such_socket(house: House) -> None:
    house.settings["REDIS_URL"] = f"unix://:{CANARY}@{house.folder}/no.sock"


def _wrong_password(house: House) -> None:
    house.settings["REDIS_URL"] = with_password(house.source, f"wrong-{CANARY}")


def _no_password(house: House) -> None:
    house.settings["REDIS_URL"] = f"redis://127.0.0.1:{house.source.port}/0"


def _tls_to_a_plain_port(house: House) -> None:
    # A plain server waits for the rest of what it takes for a command, so it is the time-out that ends this.
    house.settings["REDIS_URL"] = with_password(house.source, scheme="rediss") + "?socket_timeout=1"


def _no_rights(house: House) -> None:
    command(house.source, "ACL", "SETUSER", "poor", "reset", "on", f">{CANARY}", "~*", "+info", "+ping")
    house.settings["REDIS_URL"] = with_password(house.source, user="poor")


def _no_rights_at_all(house: House) -> None:
    command(house.source, "ACL", "SETUSER", "poor", "reset", "on", f">{CANARY}", "~*")
    house.settings["REDIS_URL"] = with_password(house.source, user="poor")


def _loading(house: House) -> None:
    """A server that needs minutes to load, and answers in between."""
    saved = house.start_server(house.source.binary)
    command(saved, "DEBUG", "POPULATE", 500_000)
    saved.client().save()
    saved.kill()
    slow = ("--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024")
    house.settings["REDIS_URL"] = house.start_server(
        house.source.binary, "--dir", str(saved.folder), *slow, password=CANARY
    ).url


def _replica_without_its_primary(house: House) -> None:
    house.second("--replicaof", "127.0.0.1", str(free_port()))


def _stale_replica_that_says_so(house: House) -> None:
    client = house.second().client()
    client.config_set("replica-serve-stale-data", "no")
    client.replicaof("127.0.0.1", free_port())


SOURCES: dict[str, tuple[Callable[[House], None], str]] = {
    "nobody listens there": (_nobody_there, r"source at 127\.0\.0\.1:\d+ cannot be reached \(Connection refused\)"),
    "its host is unknown": (_no_such_host, r"no-such-host\.invalid:6379 cannot be reached"),
    "its socket is not there": (_no_such_socket, r"no\.sock cannot be reached"),
    "the password is wrong": (_wrong_password, "refuses the user name or password: check REDIS_URL"),
    "the password is missing": (_no_password, "refuses the user name or password: check REDIS_URL"),
    "it does not speak TLS": (_tls_to_a_plain_port, "did not answer in time|TLS"),
    "the user has no rights": (_no_rights, "PSYNC.*SCAN.*python -m worker ping"),
    "the user may not even ask": (_no_rights_at_all, r"does not allow asking for INFO: .*\+info"),
    "it is loading": (_loading, "still loading its data: try again"),
    "it is a replica without its primary": (_replica_without_its_primary, "replica without a link to its primary"),
    "it is a stale replica": (_stale_replica_that_says_so, "replica without a link to its primary"),
}


@pytest.mark.parametrize("what", SOURCES)
def test_no_backup_is_made_of_a_source_when(what: str, house: House) -> None:
    spoil, words = SOURCES[what]
    spoil(house)
    house.refuses("backup", words=words)


def test_ping_says_what_info_needs_when_even_that_is_forbidden(house: House) -> None:
    _no_rights_at_all(house)
    house.refuses("ping", words=r"does not allow asking for INFO: .*Give that with `ACL SETUSER poor \+info`")


@pytest.mark.parametrize(
    "url",
    [
        "http://user:{}@host",
        "{}",
        "redis://",
        "redis://:{}@host:port",
        "redis://:{}@host:99999999",
        "redis:// :{}@host",
    ],
)
def test_a_url_that_is_none_names_the_setting_and_not_its_value(url: str, house: House) -> None:
    house.settings["REDIS_URL"] = url.format(CANARY)
    house.refuses("backup", code=2, words="The setting REDIS_URL is ")


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_wrong_setting_is_named(setting: str, house: House) -> None:
    house.settings[setting] = SETTINGS[setting]
    house.refuses("backup", code=2, words=f"The setting {setting} is wrong: ")


UNKNOWN = "redis_backup_20010203_040506.rdb.zst"
NAMES = [(verb, name) for verb in ("restore", "verify", "delete") for name in (UNKNOWN, "../../etc/passwd")]


@pytest.mark.parametrize(("verb", "name"), [*NAMES, ("restore", "nonsense"), ("restore", ".."), ("delete", "latest")])
def test_a_name_that_is_none_is_not_found(verb: str, name: str, house: House) -> None:
    house.refuses(verb, name, words="There is no backup of the name")


@pytest.mark.parametrize("name", [UNKNOWN, "nowhere/dump.rdb"])
def test_an_export_of_what_is_not_there_is_not_found(name: str, house: House) -> None:
    house.refuses("export", name, words="There is no backup of the name")


def _empty(house: House) -> None:
    house.artifact.write_bytes(b"")


def _cut(house: House) -> None:
    house.artifact.write_bytes(house.artifact.read_bytes()[:-9])


def _flipped(house: House) -> None:
    content = bytearray(house.artifact.read_bytes())
    content[len(content) // 2] ^= 1
    house.artifact.write_bytes(content)


def _longer(house: House) -> None:
    house.artifact.write_bytes(house.artifact.read_bytes() + b"x")


def _foreign(house: House) -> None:
    house.artifact.write_bytes(b"\x89PNG" * (house.artifact.stat().st_size // 4 + 1))


def _manifest_alone(house: House) -> None:
    house.artifact.unlink()


def _artifact_alone(house: House) -> None:
    house.manifest.unlink()


def _broken_manifest(house: House) -> None:
    house.manifest.write_bytes(house.manifest.read_bytes()[:-20])


def _manifest_of_another(house: House) -> None:
    other = catalogue.get(Folder(house.shell.storage), house.name).model_copy(update={"name": UNKNOWN})
    house.manifest.write_bytes(to_json(other))


def _link(house: House) -> None:
    house.artifact.rename(house.folder / "elsewhere")
    house.artifact.symlink_to(house.folder / "elsewhere")


BROKEN: dict[str, tuple[Callable[[House], None], str]] = {
    "empty": (_empty, "cut short: 0 bytes"),
    "cut": (_cut, "cut short: "),
    "flipped": (_flipped, "has changed since it was written"),
    "longer": (_longer, "longer than it was"),
    "foreign": (_foreign, "longer than it was|has changed"),
    "a manifest alone": (_manifest_alone, "no file|missing"),
    "an artifact alone": (_artifact_alone, "has no manifest, so it is no backup: take it in with"),
    "of a broken manifest": (_broken_manifest, "manifest of .* is damaged"),
    "of another's manifest": (_manifest_of_another, "describes another backup"),
    "a link": (_link, "something else of that name"),
}


VERIFIED = [("verify", what) for what in ("cut", "flipped", "a manifest alone")]


@pytest.mark.parametrize(("verb", "what"), [*(("restore", what) for what in BROKEN), *VERIFIED])
def test_a_backup_is_refused_that_is(what: str, verb: str, house: House) -> None:
    spoil, words = BROKEN[what]
    spoil(house)
    house.source.client().delete("key:7")
    house.refuses(verb, house.name, words=words)


def test_a_list_tells_of_what_is_broken_and_shows_the_rest(house: House) -> None:
    good = take(house.source, house.shell.storage)["name"]
    _cut(house)
    listed = house.run("list", "--json")
    assert listed.code == 0
    assert [one["name"] for one in listed.data["backups"]] == [good]
    assert [problem for problem in listed.data["problems"] if house.name in problem]
    assert house.run("list").err.startswith("Note: The artifact ")


def test_latest_passes_over_what_is_broken(house: House) -> None:
    newer = take(house.source, house.shell.storage)["name"]
    (house.shell.storage / newer).write_bytes(b"")
    assert house.run("restore", "latest", "--json").data["name"] == house.name


FOREIGN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is empty"),
    "cut": (lambda dump: dump[:-5], "cut short"),
    "flipped": (lambda dump: dump[:200] + bytes([dump[200] ^ 1]) + dump[201:], ""),
    "longer": (lambda dump: dump + b"more", ""),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" * 40, "neither an RDB dump nor a portable JSON"),
    "other JSON": (lambda _: json.dumps({"name": "something else"}).encode(), ""),
}


@pytest.mark.parametrize(("verb", "what"), [*(("adopt", what) for what in FOREIGN), ("export", "cut")])
def test_a_file_is_not_taken_in_that_is(what: str, verb: str, house: House) -> None:
    change, words = FOREIGN[what]
    house.source.client().save()
    (file := house.folder / "dump.rdb").write_bytes(change((house.source.folder / "dump.rdb").read_bytes()))
    house.refuses(verb, str(file), words=words)
    assert not (house.folder / "dump.json.gz").exists()


@pytest.mark.parametrize(("path", "words"), [("nowhere.rdb", "There is no file"), (".", "cannot be read")])
def test_what_is_no_file_is_not_adopted(path: str, words: str, house: House) -> None:
    house.refuses("adopt", path, words=words)


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_no_space_leaves_what_was_there(data_format: str, house: House) -> None:
    house.source.client().set("noise", urandom(1 << 20))
    house.preexec = _small_files
    house.refuses("backup", "--format", data_format, words="is full .*: free some space")


def test_an_export_without_space_leaves_nothing(house: House) -> None:
    house.source.client().set("noise", urandom(1 << 20))
    take(house.source, house.shell.storage)
    house.preexec = _small_files
    house.refuses("export", "latest", "-o", "copy.json", words="is full")
    assert not list(house.folder.glob("*copy.json*"))


def _without_roots_privilege() -> None:
    """Make root obey the rights of folders: CAP_DAC_OVERRIDE leaves the bounding set, and is gone with exec."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@pytest.fixture
def unprivileged(house: House) -> House:
    """A house whose commands are not root's."""
    house.shell.forked = False
    house.preexec = _without_roots_privilege
    return house


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o700)


READ_ONLY = [("backup",), ("prune", "--keep", "1"), ("delete", "{}"), ("adopt", "dump.rdb")]


@pytest.mark.parametrize("command", READ_ONLY, ids=lambda command: str(command[0]))
def test_a_read_only_folder_stays_as_it_is(command: tuple[str, ...], unprivileged: House) -> None:
    house = unprivileged
    take(house.source, house.shell.storage)
    house.source.client().save()
    (house.folder / "dump.rdb").write_bytes((house.source.folder / "dump.rdb").read_bytes())
    with _read_only(house.shell.storage):
        arguments = [word.format(house.name) for word in command]
        house.refuses(*arguments, words=r"cannot be (written|changed) \(Permission denied\): check the folder")


def test_a_restore_that_keeps_nothing_needs_no_right_to_write_in_the_storage(unprivileged: House) -> None:
    house, client = unprivileged, unprivileged.source.client()
    client.delete("key:7")
    before = listing(house.shell.storage)
    with _read_only(house.shell.storage):
        overwrite = ("restore", "latest", "--mode", "overwrite", "--yes")
        house.refuses(*overwrite, words="cannot be written .*Nothing was restored, .*BACKUP_UNDO_DAYS=0")
        added = house.run("restore", "latest")
        assert (added.code, client.exists("key:7")) == (0, 1), added.err
        assert re.search(r"Note: This restore cannot be undone: .* cannot be written \(Permission denied\)", added.err)
        house.settings["BACKUP_UNDO_DAYS"] = "0"
        replaced = house.run(*overwrite, "--json")
        assert (replaced.code, replaced.data["restored"]) == (0, 50), replaced.err
        verified = house.run("verify", house.name)
        assert (verified.code, f"Note: That could not be noted beside {house.name}." in verified.err) == (0, True)
    assert listing(house.shell.storage) == before


@pytest.mark.parametrize(
    ("verb", "storage"),
    [("backup", "file"), ("list", "file"), ("prune", "file"), ("backup", "file/within"), ("backup", "/proc/within")],
)
def test_a_storage_that_cannot_be_a_folder_is_named(verb: str, storage: str, house: House) -> None:
    (house.folder / "file").write_text("not a folder")
    house.settings["BACKUP_STORAGE"] = storage
    house.refuses(verb, words=rf"The storage {storage} cannot be ")


def _full(house: House) -> Server:
    target = house.second("--maxmemory", "1mb", "--maxmemory-policy", "noeviction")
    command(target, "DEBUG", "POPULATE", 5000)
    return target


def _read_only_replica(house: House) -> Server:
    target = house.second("--replicaof", "127.0.0.1", str(house.source.port), "--masterauth", CANARY)
    eventually(lambda: state(target) == state(house.source), "the replica to have it all")
    return target


def _cluster(house: House) -> Server:
    return house.second(cluster=True)


def _one_database(house: House) -> Server:
    house.source.client(3).set("in", "three")
    take(house.source, house.shell.storage)
    return house.second("--databases", "1")


def _may_not_write(house: House) -> Server:
    target = house.second()
    command(target, "ACL", "SETUSER", "poor", "on", f">{CANARY}", "~*", "+@read", "+info", "+select")
    house.settings["REDIS_URL"] = with_password(target, user="poor")
    return target


TARGETS: dict[str, tuple[Callable[[House], Server], str]] = {
    "full": (_full, "too little memory: maxmemory is 1,048,576 bytes"),
    "a replica": (_read_only_replica, "is a replica, which takes no writes: name its primary"),
    "a node of a cluster": (_cluster, "is a node of a cluster"),
    "short of a database": (_one_database, "has no database 3"),
    "not to be written by this user": (_may_not_write, "NOPERM|does not allow"),
}


@pytest.mark.parametrize("what", TARGETS)
def test_nothing_is_restored_into_a_target_that_is(what: str, house: House) -> None:
    arrange, words = TARGETS[what]
    target = arrange(house)
    house.refuses("restore", "latest", words=words, watched=target)


def test_nothing_is_restored_into_a_target_that_cannot_be_reached(house: House) -> None:
    _nobody_there(house)
    house.refuses("restore", "latest", words=r"target at 127\.0\.0\.1:\d+ cannot be reached")


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_a_target_that_fills_up_on_the_way_is_told_with_counts(data_format: str, house: House) -> None:
    pipe = house.source.client().pipeline()
    for number in range(2000):
        pipe.rpush(f"list:{number}", *(urandom(60) for _ in range(50)))
    pipe.execute()
    name = take(house.source, house.shell.storage, format=data_format)["name"]
    # More than the dump has bytes: otherwise it could not go in whatever is said.
    target = house.second("--maxmemory", "6500kb", "--maxmemory-policy", "noeviction")
    ended = house.run("restore", name, "--force")
    kept = len(target.client().keys("[kl]*"))
    assert ended.code == 1
    assert f", not to its end: {kept:,} restored, " in ended.out
    assert re.search(rf"OOM .*Until then: {kept:,} restored, .*Run the same again to complete it\.$", ended.err)
    assert 0 < kept < 2000
    assert "Traceback" not in ended.err


def test_a_user_who_may_not_write_is_told_so_before_a_value_is_built(house: House) -> None:
    house.source.client().rpush("list", *range(10))
    name = take(house.source, house.shell.storage, format="json")["name"]
    target = house.second()
    command(target, "ACL", "SETUSER", "poor", "on", f">{CANARY}", "~*", "+@all", "-rpush")
    house.settings["REDIS_URL"] = with_password(target, user="poor")
    ended = house.run("restore", name, "--type", "list")
    assert ended.code == 1
    assert re.fullmatch(r"Error: The target .*does not allow a restore: .*lacks \+rpush\..*\n", ended.err)
    assert target.client().dbsize() == 0


MISUSED = {
    "a format that does not exist": ("backup", "--format", "xml"),
    "an engine that does not go with the format": ("backup", "--engine", "typed", "--format", "rdb"),
    "a database that is no number": ("backup", "--db", "one"),
    "a mode that does not exist": ("restore", "latest", "--mode", "destroy"),
    "an empty glob": ("restore", "latest", "--match", ""),
    "nothing to keep": ("prune", "--keep", "0"),
    "no name": ("restore",),
    "a verb that does not exist": ("destroy",),
    "no verb": (),
}


@pytest.mark.parametrize("what", MISUSED)
def test_exit_code_2_is_for(what: str, house: House) -> None:
    before = (listing(house.shell.storage), state(house.source))
    ended = house.run(*MISUSED[what])
    assert ended.code == 2
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert (listing(house.shell.storage), state(house.source)) == before


def test_a_restore_with_a_key_that_cannot_be_written_exits_with_1_and_names_it(house: House) -> None:
    house.source.client().hset("good", mapping={"field": "value"})
    file = house.folder / "damaged.rdb"
    file.write_bytes(damaged_dump())
    name = house.run("adopt", str(file), "--damaged", "--json").data["name"]
    ended = house.run("restore", name, "--match", "*ed")
    assert ended.code == 1
    assert "1 restored, 0 skipped, 0 expired, 1 failed" in ended.out
    assert re.search(
        r"^  failed: database 0, hash 'damaged': its value is damaged, and the target was not given it",
        ended.out,
        re.MULTILINE,
    )
    assert house.source.client().get("unharmed") == b"x"
