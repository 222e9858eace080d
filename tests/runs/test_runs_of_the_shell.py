"""What the shell does is a run as well, and no run tells a password."""

import signal
import time

from tests.runs.office import HALF_WAY, Office, all_runs
from tests.support.processes import CANARY, PYTHON, Background, eventually, holder, run, with_password
from worker.runs.run import here


def test_a_verb_of_the_shell_that_is_told_to_end_leaves_nothing(office: Office) -> None:
    office.gate.shut(HALF_WAY)
    shell = Background(*PYTHON, "backup", env=office.env, cwd=office.folder, name="shell")
    try:
        eventually(lambda: holder(shell.pids(), "*.partial"), "the backup to begin")
        shell.process.send_signal(signal.SIGTERM)
        assert shell.process.wait(20) == 1
        assert "Stopped." in shell.said
    finally:
        shell.stop()
        office.gate.open()
    (told,) = all_runs(office)
    assert (told.state, told.error) == ("INTERRUPTED", "Stopped.")
    assert not list((office.folder / "backups").glob(".*.partial"))
    assert not list(office.broker.client().scan_iter("redis_backup:lock:*"))


def test_a_verb_of_the_shell_is_a_run_as_well(office: Office) -> None:
    shown = run(*PYTHON, "backup", "--json", env=office.env, cwd=office.folder)
    assert shown.code == 0, shown.err
    failed = run(*PYTHON, "verify", "redis_backup_20010203_040506.rdb", env=office.env, cwd=office.folder)
    assert failed.code == 1
    one, other = all_runs(office)
    assert (one.operation, one.state, one.arguments) == (
        "verify",
        "FAILURE",
        {"name": "redis_backup_20010203_040506.rdb"},
    )
    assert (other.operation, other.state, other.asked_by) == ("backup", "SUCCESS", f"shell {here()}")
    assert other.value["name"] == shown.data["name"]


def test_a_shell_without_a_broker_works_and_says_nothing_of_it(office: Office) -> None:
    env = office.env | {"CELERY_BROKER_URL": f"redis://:{CANARY}@127.0.0.1:1/0"}
    since = time.monotonic()
    shown = run(*PYTHON, "backup", env=env, cwd=office.folder)
    assert shown.code == 0, shown.err
    assert "broker" not in (shown.out + shown.err).lower()
    assert time.monotonic() - since < 20
    assert all_runs(office) == []


def test_no_run_tells_a_password(office: Office) -> None:
    with office.worker():
        office.wait_for(office.call("ping"), "SUCCESS")
        office.wait_for(office.call("stats"), "SUCCESS")
        office.wait_for(office.call("restore", name="no.such"), "FAILURE")
    content = [run.model_dump_json() for run in all_runs(office)]
    assert len(content) == 3
    assert not [text for text in content if CANARY in text]
    assert with_password(office.source).count(CANARY) == 1
