"""A shell whose backups lie in a bucket: each verb is a process of its own, which knows the bucket's address and no more."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import fill_all, wipe
from tests.support.bucket import KEYS, S3
from tests.support.processes import CANARY, Ended, Shell
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.storage.remote import Remote


@pytest.fixture
def source(newest: Binary, start_server: StartServer) -> Server:
    return fill_all(start_server(newest))


@pytest.fixture
def shell(source: Server, in_s3: Remote, tmp_path: Path) -> Shell:
    # A fork of a process that speaks to a bucket could not speak to it.
    return Shell(source.url, tmp_path / "unused", tmp_path, forked=False)


@pytest.mark.slow
def test_a_session_in_a_bucket_ends_with_the_lost_data_back(
    shell: Shell, source: Server, s3: S3, in_s3: Remote, tmp_path: Path
) -> None:
    def run(*words: str, machine: str = "one") -> Ended:
        folder = tmp_path / machine
        folder.mkdir(exist_ok=True)
        done = replace(shell, folder=folder)(*words, BACKUP_STORAGE=in_s3.place, TZ="UTC")
        assert done.code == 0, done.err
        assert KEYS["AWS_SECRET_ACCESS_KEY"] not in done.out + done.err
        return done

    before = state(source)
    first, name = (run("backup", "--json").data["name"] for _ in range(2))
    assert s3.keys(in_s3) == sorted(f"{one}{end}" for one in (first, name) for end in ("", ".manifest.json"))
    listed, _ = run("list", "--json", machine="another").data["backups"]
    assert (listed["name"], listed["keys"] > 0) == (name, True)
    assert run("verify", name, "--json", machine="another").data["warnings"] == []
    wipe(source)
    there = state(source)
    assert run("preview", "latest", "--json").data["refusal"] is None
    restored = run("restore", "latest", "--yes", "--json", machine="third").data
    assert (restored["failed"], restored["restored"]) == (0, listed["keys"])
    assert_same(before, state(source))
    run("undo", restored["undo"]["name"], "--yes", machine="another")
    assert_same(there, state(source))
    pruned = run("prune", "--keep", "1", "--keep-manual", "1", "--json").data
    assert [one["name"] for one in pruned["deleted"]] == [first]
    run("delete", name, "--now", "--yes")
    assert [key for key in s3.keys(in_s3) if "undo" not in key and name in key] == []
    assert not (tmp_path / "unused").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"BACKUP_STORAGE": "s3://no-such-bucket-there"}, "is in no bucket that exists"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "cannot be reached"),
        ({"AWS_CA_BUNDLE": "/nowhere"}, "AWS_CA_BUNDLE names a file"),
        ({"BACKUP_STORAGE": f"s3://key:{CANARY}@bucket"}, "BACKUP_STORAGE is wrong: must hold no key"),
    ],
)
def test_a_bucket_that_is_not_there_is_said_in_a_sentence(
    settings: dict[str, str], said: str, shell: Shell, in_s3: Remote
) -> None:
    done = shell("list", preexec=None, **{"BACKUP_STORAGE": in_s3.place} | settings)
    assert (done.code != 0, done.out, said in done.err) == (True, "", True), done.err
    assert CANARY not in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_what_somebody_put_into_the_bucket_is_taken_in_by_the_words_of_the_list(
    shell: Shell, source: Server, s3: S3, in_s3: Remote
) -> None:
    def run(*words: str) -> Ended:
        return shell(*words, preexec=None, BACKUP_STORAGE=in_s3.place)

    made = run("backup", "--json").data
    foreign = "redis_backup_20200101_000000.rdb.zst"
    with in_s3.fetch(made["name"]) as file:
        s3.put(in_s3, foreign, file.read())
    (problem,) = run("list", "--json").data["problems"]
    advice = re.search(r"`python -m worker (adopt \S+)`", problem)
    assert advice
    adopted = run(*advice[1].split(), "--json")
    assert adopted.code == 0, adopted.err
    assert adopted.data["keys"] == made["keys"]
