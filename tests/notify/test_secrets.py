"""The addresses of those who are told are secrets, and nobody else is told them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.notify.conftest import Configure
from tests.notify.receiver import Receiver, told
from tests.support.dashboard import own_logging
from tests.support.processes import CANARY, CELERY, ROOT, environment, run
from tests.support.servers import Server
from worker import logs
from worker.notify import sending
from worker.notify.channels import channels
from worker.notify.deliver import deliver
from worker.notify.overview import overview
from worker.notify.trial import try_channels
from worker.progress import silent


def command_lines() -> str:
    return "\n".join(_read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""  # it has ended meanwhile


def test_no_address_is_told_by_a_log_a_result_the_broker_or_a_list_of_processes(
    configured: Configure,
    receiver: Receiver,
    broker: Server,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with own_logging():
        logs.configure("DEBUG", "json")
        monkeypatch.setattr(sending, "SEND_SECONDS", 5)
        settings = configured(
            notify_urls=f"json://me:{CANARY}@127.0.0.1:{receiver.port}/{CANARY} json://127.0.0.1:1/{CANARY}",
            notify_webhook_url=receiver.url(f"/{CANARY}"),
            heartbeat_url=f"http://127.0.0.1:1/{CANARY}",
        )
        told(settings, "The backup failed.")
        with sending.line(settings, channels(settings)[0]):
            assert CANARY not in command_lines()
            assert "worker.notify.sender" in command_lines()
        deliver(settings)
        outcomes = try_channels(settings, silent)
    assert [bool(channel["why"]) for channel in outcomes["channels"]] == [False, True, False]
    client = broker.client()
    kept = [client.dump(key) for key in client.scan_iter()]
    assert CANARY not in json.dumps([outcomes, overview(settings)]) + repr(channels(settings)) + repr(kept)
    assert CANARY not in "".join(capfd.readouterr())
    assert any(CANARY in path for path in receiver.paths()), "it was sent where it was to go"


def test_an_address_that_nobody_can_read_stops_a_worker_by_its_place(broker: Server, tmp_path: Path) -> None:
    env = environment(CELERY_BROKER_URL=broker.url, NOTIFY_URLS=f"json://host nonsense://{CANARY}")
    ended = run(*CELERY, "worker", env=env, cwd=tmp_path)
    assert ended.code != 0
    assert "The setting NOTIFY_URLS is wrong: apprise cannot read address number 2 of 2" in ended.err
    assert CANARY not in ended.err + ended.out


def test_nobody_loads_apprise_but_who_sends() -> None:
    modules = "web, worker.__main__, worker.tasks, worker.lifecycle, worker.cli.notify, worker.cli.backup"
    script = (
        f"import sys, {modules}; print([name for name in sys.modules if name.split('.')[0] in ('apprise', 'requests')])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
