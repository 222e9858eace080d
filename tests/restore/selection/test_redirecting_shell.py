"""A shell that restores elsewhere: every way at once, and wrong ones in a sentence."""

import pytest

from tests.support.processes import CANARY, Shell
from tests.support.servers import Server


def test_the_shell_restores_elsewhere_in_every_way_at_once(shell: Shell, staging: Server) -> None:
    options = ("--to", "staging", "--map-db", "0:5,3:6", "--prefix", "new:", "--expiry", "persist", "--json")
    ended = shell("restore", "latest", *options, REDIS_TARGETS=f"staging={staging.url} other=redis://h:1")
    assert (ended.code, ended.err) == (0, "")
    assert ended.data["restored"] == 2
    assert ended.data["target"] == f"127.0.0.1:{staging.port}"
    assert CANARY not in ended.out
    assert [staging.client(db).get("new:k") for db in (5, 6)] == [b"0", b"3"]
    assert staging.client(5).ttl("new:k") == -1


def test_the_shell_asks_about_the_target_that_it_will_write_to(shell: Shell, staging: Server) -> None:
    options = ("--to", "staging", "--mode", "overwrite")
    asked = shell("restore", "latest", *options, answer="n\n", REDIS_TARGETS=f"staging={staging.url}")
    assert asked.code == 1
    assert f"Overwrite keys of 127.0.0.1:{staging.port} with" in asked.err
    assert staging.client().dbsize() == 0


WRONG = [
    (("--to", "production"), "There is no target of the name 'production': REDIS_TARGETS has staging."),
    (("--to", "redis://127.0.0.1:6379"), "REDIS_TARGETS has staging."),
    (("--to", ""), "target: must have at least 1 character"),
    (("--map-db", "0"), "map_databases: must be pairs of database numbers, such as 0:5"),
    (("--map-db", ""), "map_databases: must be pairs of database numbers, such as 0:5"),
    (("--map-db", "0:1,0:2"), "map_databases: must name each database of the backup once"),
    (("--expiry", "forever"), "expiry: must be keep, shift, persist, or floor:SECONDS"),
    (("--expiry", "floor"), "expiry: must be keep, shift, persist, or floor:SECONDS"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_a_wrong_way_is_told_and_nothing_is_written(
    options: tuple[str, ...], said: str, shell: Shell, staging: Server
) -> None:
    ended = shell("restore", "latest", *options, REDIS_TARGETS=f"staging={staging.url}")
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
    assert CANARY not in ended.err
    assert staging.client().dbsize() == 0


def test_databases_that_would_meet_are_a_refusal_in_the_shell(shell: Shell) -> None:
    ended = shell("restore", "latest", "--map-db", "3:0", "--mode", "overwrite", "--yes")
    assert ended.code == 1
    assert "would both go to database 0" in ended.err


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (f"redis://:{CANARY}@h:6379", "must be names with addresses, such as staging=redis://host:6379"),
        (f"Staging=redis://:{CANARY}@h:6379", "must be names with addresses"),
        (f"staging=http://:{CANARY}@h:6379", "must begin with redis://, rediss:// or unix://"),
        (f"a=redis://:{CANARY}@h a=redis://:{CANARY}@i", "must give each name once"),
    ],
)
def test_targets_that_are_set_wrong_stop_the_process_and_are_not_printed(value: str, what: str, shell: Shell) -> None:
    ended = shell("list", REDIS_TARGETS=value)
    assert ended.code == 2
    assert "The setting REDIS_TARGETS" in ended.err
    assert what in ended.err
    assert CANARY not in ended.err + ended.out


def test_targets_may_stand_in_a_file_one_a_line(shell: Shell, staging: Server) -> None:
    path = shell.folder / "targets"
    path.write_text(f"staging={staging.url}\n\nother=redis://h:1\n")
    assert shell("restore", "latest", "--to", "staging", REDIS_TARGETS_FILE=str(path)).code == 0
    assert staging.client().get("k") == b"0"
