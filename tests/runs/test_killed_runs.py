"""A process or a worker is killed in the middle of a run."""

import os
import re
import signal

from tests.runs.office import HALF_WAY, KEYS, SOME_REPLIES, Office, all_runs
from tests.support.processes import CELERY, eventually, run
from worker.runs.liveness import lease_key


def test_a_restore_whose_process_is_killed_is_interrupted_and_says_how_far_it_came(office: Office) -> None:
    with office.worker() as worker:
        name = office.wait_for(office.call("backup"), "SUCCESS").value["name"]
        office.source.client().flushall()
        office.gate.shut(SOME_REPLIES)
        identity = office.call("restore", name=name)
        told = eventually(
            lambda: (office.wait_for(identity, "STARTED").progress or {}).get("phase") == "restoring", "keys"
        )
        assert told
        os.kill(next(pid for pid in worker.pids() if pid != worker.process.pid), signal.SIGKILL)
        ended = office.wait_for(identity, "INTERRUPTED")
        office.gate.open()
        found = re.search(r"At least ([\d,]+) keys", str(ended.error))
        assert found
        assert 0 < int(found[1].replace(",", "")) < KEYS
        again = office.wait_for(office.call("restore", name=name), "SUCCESS", "FAILURE")
    assert again.state == "SUCCESS", again.error
    assert office.source.client().dbsize() == KEYS


def test_a_worker_that_is_killed_outright_is_noticed_by_the_next_and_its_backup_made_once_more(office: Office) -> None:
    before, broker = office.manifests, office.broker.client()
    office.gate.shut(HALF_WAY)
    with office.worker():
        identity = office.call("backup")
        office.wait_for(identity, "STARTED")
        eventually(lambda: broker.exists(lease_key(identity)), "the lease")
        assert 0 < broker.ttl(lease_key(identity)) <= 60
        eventually(lambda: list(broker.scan_iter("redis_backup:lock:source*")), "the lock")
    office.gate.open()
    assert office.wait_for(identity, "STARTED").ended_at is None
    # Neither its lease nor its lock has run out by now: it is known that its process is gone.
    with office.worker() as worker:
        ended = office.wait_for(identity, "INTERRUPTED")
        assert worker.event("run_interrupted", run=identity)
        shown = run(*CELERY, "result", identity, env=office.env, cwd=office.folder)
        assert "killed" in shown.out + shown.err
        (again,) = (one for one in all_runs(office) if one.repeats)
        assert (again.repeats, again.asked_by) == (identity, ended.asked_by)
        assert f"the run {again.id} is queued in its place" in str(ended.error)
        assert office.wait_for(again.id, "SUCCESS").waited == 0
        eventually(lambda: [one for one in all_runs(office) if one.operation == "prune" and one.ended], "the prune")
    assert len(office.manifests - before) == 1


def test_a_restore_whose_worker_is_killed_outright_is_not_made_up_for(office: Office) -> None:
    broker = office.broker.client()
    with office.worker():
        name = office.wait_for(office.call("backup"), "SUCCESS").value["name"]
        office.source.client().flushall()
        office.gate.shut(SOME_REPLIES)
        identity = office.call("restore", name=name, mode="overwrite")
        eventually(lambda: (office.wait_for(identity, "STARTED").progress or {}).get("phase") == "restoring", "keys")
    office.gate.open()
    assert list(broker.scan_iter("redis_backup:lock:target*"))
    with office.worker():
        assert "Run the same restore again" in str(office.wait_for(identity, "INTERRUPTED").error)
        assert not list(broker.scan_iter("redis_backup:lock:target*")), "what it held is free at once"
        assert [one.id for one in all_runs(office) if one.operation == "restore"] == [identity]
        again = office.wait_for(office.call("restore", name=name, mode="overwrite"), "SUCCESS", "FAILURE")
    assert again.state == "SUCCESS", again.error


def test_a_worker_that_is_told_to_end_finishes_its_backup_first(office: Office) -> None:
    before = office.manifests
    office.gate.shut(HALF_WAY)
    with office.worker() as worker:
        identity = office.call("backup")
        office.wait_for(identity, "STARTED")
        eventually(lambda: (office.wait_for(identity, "STARTED").progress or {}).get("current"), "some of it")
        worker.process.send_signal(signal.SIGTERM)
        eventually(lambda: "shutdown" in worker.said.lower(), "the worker to hear it")
        office.gate.open()
        office.wait_for(identity, "SUCCESS")
        eventually(lambda: worker.process.poll() is not None, "the worker to end")
    assert len(office.manifests - before) == 1
