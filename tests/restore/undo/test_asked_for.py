"""An undo asked for from a shell and by a call, of the right server and with the rights for it."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.conftest import StartServer
from tests.restore.undo.undoing import counts, kept_in, small, take_back
from tests.support.backups import bring_back, manifest_of, settings_for
from tests.support.dashboard import Web
from tests.support.processes import Shell, let_in
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.errors import NotFoundError, RefusedError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.restore import restore
from worker.restore.undo.undo import undo
from worker.runs.store import open_runs
from worker.storage import open_storage


def test_another_server_than_the_one_restored_into_is_refused(server: Server, target: Server, tmp_path: Path) -> None:
    small(server, tmp_path)
    bring_back(server, tmp_path, mode="overwrite")
    target.client().set("stays", "old")
    with pytest.raises(RefusedError, match=f"wrote to 127.0.0.1:{server.port}, .* set REDIS_URL as it was"):
        take_back(target, tmp_path)
    assert target.client().dbsize() == 1


def test_a_named_target_is_found_again(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    source, staging = start_server(newest), start_server(newest)
    small(source, tmp_path)
    settings = settings_for(source, tmp_path, redis_targets={"staging": staging.url})
    before = state(source)
    report = restore(settings, RestoreArguments(name="latest", target="staging"), silent)
    assert undo(settings, UndoArguments(run=report["undo"]["name"]), silent)["deleted"] == 4
    assert staging.client().dbsize() == 0
    assert_same(source, before)
    with pytest.raises(NotFoundError, match="Nothing is kept that could undo 'some-run'"):
        undo(settings, UndoArguments(run="some-run"), silent)


def test_from_a_shell_a_restore_says_how_to_undo_it_and_that_works(server: Server, tmp_path: Path) -> None:
    shell = Shell(server.url, tmp_path / "backups", tmp_path)
    client = small(server, shell.storage)
    before = state(server)
    done = shell("restore", "latest", "--mode", "overwrite", "--yes")
    (kept,) = kept_in(shell.storage)
    assert done.out.splitlines()[1] == f"It can be undone for 7 days: python -m worker undo {kept.name}"
    listed = shell("list")
    assert [line.split()[0] for line in listed.out.splitlines() if line.startswith("redis_backup")] == [
        kept.restored,
        kept.name,
    ]
    assert [one["name"] for one in shell("list", "--json").data["undos"]] == [kept.name]
    assert shell("stats", "--json").data["undos"] == {"count": 1, "bytes": kept.bytes.stored}
    assert shell("stats", "--json").data["count"] == 1
    client.set("stays", "theirs")
    asked = shell("undo", kept.undoes or "", answer="n\n")
    assert (asked.code, "Nothing was changed" in asked.err) == (1, True)
    assert f"Put 3 keys of 127.0.0.1:{server.port} back" in asked.err
    undone = shell("undo", kept.undoes or "", "--yes")
    assert undone.code == 0
    assert "2 put back, 1 deleted, 0 were as before, 1 left alone" in undone.out
    assert "left alone, for others have changed it since: database 0, stays" in undone.out
    assert f"python -m worker undo {kept.name} --force" in undone.err
    assert shell("undo", kept.name, "--yes").code == 1
    forced = shell("undo", kept.name, "--yes", "--force", "--json").data
    assert counts(forced) == {"put_back": 1, "as_before": 3}
    assert_same(server, before)


def test_a_user_who_may_not_read_the_target_restores_nothing_unless_told_that_nothing_is_kept(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = start_server(newest), start_server(newest)
    small(source, tmp_path / "backups")
    rights = "~* +info +select +time +restore +function|load"
    shell = Shell(let_in(target, rights), tmp_path / "backups", tmp_path)
    refused = shell("restore", "latest")
    assert refused.code == 1
    assert re.search(r"NOPERM.*Nothing was restored, .*BACKUP_UNDO_DAYS=0 a restore keeps nothing\.", refused.err)
    assert target.client().dbsize() == 0
    assert shell("restore", "latest", BACKUP_UNDO_DAYS="0").code == 0
    assert target.client().dbsize() == 4


def test_a_call_undoes_a_restore_that_is_known(web_app: Web) -> None:
    script = web_app.with_token("restore")
    unknown = script.post("/api/backup/undo", json={"run": "some-run"})
    assert (unknown.status_code, "could undo 'some-run'" in unknown.get_data(as_text=True)) == (404, True)
    assert web_app.with_token("backup").post("/api/backup/undo", json={"run": "some-run"}).status_code == 403
    storage = open_storage(str(web_app.storage))
    storage.put("redis_backup_20231205_143022.rdb", b"content")
    manifest = manifest_of("redis_backup_20231205_143022.rdb", b"content")
    catalogue.add(storage, manifest.model_copy(update={"kind": "undo", "undoes": "some-run"}))
    answer = script.post("/api/backup/undo", json={"run": "some-run"})
    assert answer.status_code == 202
    with open_runs(web_app.settings) as runs:
        run = runs.get(answer.get_json()["result_id"])
    assert run is not None
    assert (run.operation, run.arguments) == ("undo", {"run": "some-run"})


@pytest.mark.parametrize("told", [{}, {"run": ""}, {"run": "x", "force": 1}, {"run": "x", "mode": "skip"}])
def test_wrong_arguments_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UndoArguments.model_validate(told)
