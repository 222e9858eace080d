"""age: what goes in comes out for who has the key, as a stream; what was cut or changed is an error, and no thread stays."""

import os
import subprocess
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.age_keys import Pair, age, age_pair, ssh_pair
from worker.config.settings import Settings
from worker.errors import ArtifactError, SealedError, SourceUnavailableError, StorageError, UsageError
from worker.formats.encryption import NONE, PLAIN, Keys, encryption_of, is_encrypted, keys_of
from worker.formats.encryption.pump import PIECE_BYTES
from worker.formats.encryption.recipients import to

SECRET = pyrage.x25519.Identity.generate()
PUBLIC = str(SECRET.to_public())
NAME = "redis_backup_20231205_143022.rdb.age"


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    file = tmp_path_factory.mktemp("keys") / "key.txt"
    file.write_text(str(SECRET))
    return Keys(str(file), None)


def encrypted(*chunks: bytes) -> bytes:
    return b"".join(to((PUBLIC,)).encrypt(iter(chunks)))


def in_chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def opened(keys: Keys, data: bytes, size: int = 100_000) -> bytes:
    return b"".join(keys.decrypt(in_chunks(data, size), NAME))


def settings_of(recipients: str) -> Settings:
    return Settings(backup_age_recipients=recipients)  # type: ignore[arg-type]


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "encryption"]


@given(chunks=st.lists(st.binary(max_size=300), max_size=8), size=st.integers(1, 400))
def test_what_goes_in_comes_out(mine: Keys, chunks: list[bytes], size: int) -> None:
    data = encrypted(*chunks)
    assert is_encrypted(data)
    assert opened(mine, data, size) == b"".join(chunks)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 2 * PIECE_BYTES, 3 * PIECE_BYTES + 1])
def test_long_chunks_are_worked_at_in_pieces(size: int, mine: Keys) -> None:
    data = os.urandom(size)
    assert opened(mine, encrypted(data), PIECE_BYTES * 2) == data


@pytest.mark.parametrize("kept", [0, 1, 21, 100, 200, 250, 65_700, -1, -16])
def test_what_is_cut_short_is_an_error(kept: int, mine: Keys) -> None:
    with pytest.raises(ArtifactError, match="encrypted data is damaged: it was changed, or is cut short"):
        opened(mine, encrypted(b"x" * 100_000)[:kept])


@pytest.mark.parametrize("at", [0, 30, 150, 300, 70_000, -1])
def test_a_flipped_bit_is_an_error(at: int, mine: Keys) -> None:
    data = bytearray(encrypted(b"x" * 100_000))
    data[at] ^= 1
    # In what tells which key it is for, a changed bit looks like another key: where a file is known, its sha256 tells.
    with pytest.raises(SealedError if at == 30 else ArtifactError):
        opened(mine, bytes(data))


def test_what_follows_the_end_is_an_error(mine: Keys) -> None:
    with pytest.raises(ArtifactError, match="encrypted data is damaged"):
        opened(mine, encrypted(b"x" * 100_000) + b"x")


def test_without_a_key_it_is_said_what_to_do() -> None:
    with pytest.raises(
        SealedError, match=f"{NAME} is encrypted, and this process has no key.*BACKUP_AGE_IDENTITY_FILE"
    ):
        NONE.decrypt(iter([encrypted(b"x")]), NAME)


def test_another_key_is_told_from_damage(tmp_path: Path) -> None:
    with pytest.raises(SealedError, match="was encrypted to another key than those in the file of BACKUP_AGE_IDENTITY"):
        opened(age_pair(tmp_path).keys, encrypted(b"x"))


def test_it_streams(mine: Keys) -> None:
    """However much there is: what was given has come out before the next but one is asked for."""
    given_out = 0

    def endless() -> Iterator[bytes]:
        nonlocal given_out
        while True:
            given_out += 1
            yield os.urandom(1 << 17)

    made = to((PUBLIC,)).encrypt(endless())
    back = mine.decrypt(made, NAME)
    tracemalloc.start()
    size = sum(map(len, islice(back, 400)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 390 << 17
    assert given_out < 410
    assert most < 4 << 20
    del back, made
    assert threads() == []


def test_whoever_makes_the_chunks_stays_on_his_own_thread_and_fails_as_himself(mine: Keys) -> None:
    seen = set()

    def failing() -> Iterator[bytes]:
        for _ in range(3):
            seen.add(threading.current_thread())
            yield b"x" * 100_000
        raise SourceUnavailableError("The source went away.")

    for stream in (to((PUBLIC,)).encrypt(failing()), mine.decrypt(failing(), NAME)):
        with pytest.raises((SourceUnavailableError, ArtifactError)):
            list(stream)
    with pytest.raises(SourceUnavailableError):
        list(to((PUBLIC,)).encrypt(failing()))
    assert seen == {threading.current_thread()}
    assert threads() == []


def test_no_thread_stays_of_one_that_is_given_up_at_any_step(mine: Keys) -> None:
    data = encrypted(b"x" * 200_000)
    for steps in range(6):
        for way in (to((PUBLIC,)).encrypt, lambda chunks: mine.decrypt(chunks, NAME)):
            stream = way(in_chunks(data, 60_000))
            list(islice(stream, steps))
            assert len(threads()) == (0 < steps < 6)
            del stream
            assert threads() == []


def test_what_cannot_be_encrypted_is_an_error_of_ours() -> None:
    with pytest.raises(StorageError, match="The backup could not be encrypted: "):
        list(to(()).encrypt(iter([b"content"])))
    assert threads() == []


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_keys_of_ssh_will_do(kind: str, tmp_path: Path) -> None:
    pair = ssh_pair(tmp_path, kind)
    settings = settings_of(pair.recipient.replace("me@here, too", "me@here"))
    data = b"".join(encryption_of(settings).encrypt(iter([b"content"])))
    assert opened(pair.keys, data) == b"content"
    printed = subprocess.run(
        ["ssh-keygen", "-lf", f"{pair.file}.pub"], capture_output=True, text=True, check=True
    ).stdout
    assert (encryption_of(settings).recipients or ("",))[0].partition(" ")[2] in printed


def test_each_of_several_opens_it_and_an_old_key_opens_what_is_old(tmp_path: Path) -> None:
    pairs = [age_pair(tmp_path, "one"), age_pair(tmp_path, "two")]
    many = settings_of("\n".join(["# ours", *(pair.recipient for pair in pairs), ""]))
    data = b"".join(encryption_of(many).encrypt(iter([b"content"])))
    assert [opened(pair.keys, data) for pair in pairs] == [b"content"] * 2
    both = tmp_path / "both"
    both.write_text(pairs[1].file.read_text() + pairs[0].file.read_text())
    old = b"".join(to((pairs[0].recipient,)).encrypt(iter([b"old"])))
    assert opened(Keys(str(both), None), old) == b"old"


def test_the_command_age_opens_it_and_we_open_what_that_made(tmp_path: Path) -> None:
    pair = age_pair(tmp_path)
    ours = b"".join(to((pair.recipient,)).encrypt(iter([b"x" * 100_000])))
    assert age("-d", "-i", str(pair.file), given=ours) == b"x" * 100_000
    for armour in ([], ["-a"]):
        theirs = age("-r", pair.recipient, *armour, given=b"y" * 100_000)
        assert is_encrypted(theirs)
        assert opened(pair.keys, theirs) == b"y" * 100_000


@pytest.mark.slow
def test_a_passphrase_may_protect_the_file_with_the_key(tmp_path: Path) -> None:
    file = tmp_path / "key.age"
    file.write_bytes(pyrage.passphrase.encrypt(str(SECRET).encode(), "right one", armored=True))
    assert opened(Keys(str(file), "right one"), encrypted(b"content")) == b"content"
    with pytest.raises(UsageError, match="BACKUP_AGE_PASSPHRASE is wrong: it does not open"):
        opened(Keys(str(file), "wrong one"), encrypted(b"content"))
    with pytest.raises(UsageError, match="a passphrase protects: set BACKUP_AGE_PASSPHRASE"):
        opened(Keys(str(file), None), encrypted(b"content"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no secret key"),
        (PUBLIC.encode(), "has no secret key"),
        (str(SECRET)[:-1].encode(), "a key that is not whole"),
        (b"\xff\xfe", "has no secret key"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", "SSH key that cannot be used"),
    ],
    ids=["empty", "public", "cut", "binary", "ssh"],
)
def test_a_file_without_a_key_is_told_and_not_printed(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(UsageError, match=f"BACKUP_AGE_IDENTITY_FILE is wrong: it names .*{said}") as told:
        Keys(str(tmp_path / "key"), None).require(NAME)
    assert str(SECRET)[20:40] not in str(told.value)


def test_a_file_that_is_not_there_and_a_key_of_ssh_with_a_passphrase(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"names a file that cannot be read: .*No such file"):
        Keys(str(tmp_path / "none"), None).require(NAME)
    with pytest.raises(UsageError, match="no passphrase of its own"):
        ssh_pair(tmp_path, "ed25519", "secret").keys.require(NAME)


def test_who_sets_nothing_encrypts_nothing(tmp_path: Path) -> None:
    assert encryption_of(Settings()) is PLAIN
    assert list(PLAIN.encrypt(iter([b"as", b"it is"]))) == [b"as", b"it is"]
    pair: Pair = age_pair(tmp_path)
    keys_of(Settings(backup_age_identity_file=str(pair.file))).require(NAME)
