"""What somebody before the dashboard waits for, and how large a worker grows; with the processes that `make run` starts."""

import http.client
import json
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from honcho.environ import parse_procfile

from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.data import Shape, mixed
from benchmarks.loaded import loaded as loaded_with
from benchmarks.made import back_up
from benchmarks.place import PYTHON, ROOT, Place
from benchmarks.results import WHOLE, Round, Row
from benchmarks.servers import Server, free_port
from benchmarks.stopwatch import family
from benchmarks.timing import FailedError, end_group, peak_of, timed
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, artifact_name, to_json

LIST, ENQUEUE, STARTED, SHELL = "list of 1,000 backups", "enqueue", "button to STARTED", "shell start"
WORKER = "worker, backup through the queue"
BACKUPS, FEW_KEYS, UP_SECONDS, RUN_SECONDS = 1000, 1000, 60, 3600
ROLES = ("web", "worker", "quick", "questions")
OK = 200


class Dashboard:
    """The dashboard with its workers, and a script that talks to it."""

    def __init__(self, place: Place, source: Server, storage: Path) -> None:
        port = free_port()
        # A backup is followed by a prune, which would leave little of a long list.
        env = place.environment(source, storage, BACKUP_KEEP=str(10 * BACKUPS))
        # So that no worker of an earlier dashboard is taken for one of these.
        place.broker.ask("FLUSHALL")
        self._processes: list[subprocess.Popen[bytes]] = []
        secret = {"SESSION_SECRET": secrets.token_hex(32), "ADMIN_PASSWORD": secrets.token_hex(16), "PORT": str(port)}
        lines = parse_procfile((ROOT / "Procfile").read_text()).processes
        for role in ROLES:
            with (place.folder / f"{role}.log").open("ab") as log:
                self._processes.append(
                    subprocess.Popen(
                        shlex.split(lines[role]),
                        env=env | (secret if role == "web" else {}),
                        cwd=place.folder,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        words = ("token", "create", f"benchmark-{port}", "--scope", "read", "--scope", "backup")
        token = place.ours(*words, source=source, storage=storage)[1]["secret"]
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=UP_SECONDS)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """A call and its answer."""
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def get(self, path: str) -> tuple[int, bytes]:
        """A page, as it comes."""
        self._connection.request("GET", path, None, self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def wait_until_up(self) -> None:
        """Until all of it says that it is well."""
        self._eventually(self._well, UP_SECONDS)

    def _well(self) -> bool:
        try:
            return self.ask("GET", "/readyz")[0] == OK
        except OSError:
            self._connection.close()
            return False

    def run(self) -> tuple[float, dict[str, Any]]:
        """Ask for a backup: how long the answer took, and the run once it has ended."""
        began = time.perf_counter()
        status, answer = self.ask("POST", "/api/backup/create", {})
        seconds = time.perf_counter() - began
        if "result_id" not in answer:
            raise FailedError(f"the dashboard answered {status}: {answer}")
        path = f"/api/runs/{answer['result_id']}"
        self._eventually(lambda: self.ask("GET", path)[1]["ended_at"], RUN_SECONDS)
        return seconds, self.ask("GET", path)[1]

    def _eventually(self, come: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not come():
            if time.monotonic() > deadline or any(one.poll() is not None for one in self._processes):
                raise FailedError("the dashboard or a worker did not do its part")
            time.sleep(0.05)

    @property
    def worker_peak(self) -> int:
        """The most memory that a process of the worker has had."""
        return max(map(peak_of, family(self._processes[ROLES.index("worker")].pid)))

    @property
    def web_peak(self) -> int:
        """The most memory that the dashboard itself has had."""
        return max(map(peak_of, family(self._processes[ROLES.index("web")].pid)))

    def stop(self) -> None:
        """End all of it."""
        self._connection.close()
        for process in self._processes:
            end_group(process)


@contextmanager
def opened(place: Place, source: Server, storage: Path) -> Iterator[Dashboard]:
    """The dashboard with its workers, all of them ready."""
    with ExitStack() as stack:
        dashboard = Dashboard(place, source, storage)
        stack.callback(dashboard.stop)
        dashboard.wait_until_up()
        yield dashboard


def run(place: Place, rounds: int) -> list[Row]:
    """What takes milliseconds, several times."""
    with loaded_with(place, mixed(FEW_KEYS)) as few:
        backup = back_up(few)
        _multiply(backup.storage, backup.manifest)
        with opened(place, few.server, backup.storage) as dashboard:
            contestants = [
                Contestant(LIST, "ours", lambda: _listed(dashboard)),
                Contestant(ENQUEUE, "ours", lambda: Outcome(Round(seconds=dashboard.run()[0]))),
                Contestant(STARTED, "ours", lambda: _until_started(dashboard)),
                Contestant(SHELL, "ours", lambda: _shell(place)),
            ]
            shape = Shape("dashboard", f"{BACKUPS:,} backups", BACKUPS, few.shape.commands)
            return contest("dashboard", shape, contestants, rounds, place.told)


def queue(place: Place, shape: Shape, source: Server) -> list[Row]:
    """One backup through the queue, for the memory of the worker that makes it."""

    def one() -> Outcome:
        with opened(place, source, place.new_folder("storage")) as dashboard:
            _, told = dashboard.run()
            if told["state"] != "SUCCESS":
                raise FailedError(str(told["error"]))
            seconds = (_moment(told["ended_at"]) - _moment(told["started_at"])).total_seconds()
            return Outcome(Round(seconds=seconds, peak=dashboard.worker_peak), stored=told["value"]["bytes"]["stored"])

    return contest("queue", shape, [Contestant(WORKER, "ours", one)], 1, place.told)


def _listed(dashboard: Dashboard) -> Outcome:
    began = time.perf_counter()
    _, answer = dashboard.ask("GET", "/api/backup/list")
    seconds = time.perf_counter() - began
    missing = BACKUPS - answer["total"]
    return Outcome(Round(seconds=seconds), f"misses {missing:,}" if missing > 0 else WHOLE)


def _until_started(dashboard: Dashboard) -> Outcome:
    """By the clock of this machine, which the worker's is as well."""
    asked = datetime.now(UTC)
    _, told = dashboard.run()
    return Outcome(Round(seconds=(_moment(told["started_at"]) - asked).total_seconds()))


def _shell(place: Place) -> Outcome:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    return Outcome(timed([*PYTHON, "--help"], place.folder, env=env))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _multiply(storage: Path, manifest: Manifest) -> None:
    """Copies of a backup, each a minute older than the one before."""
    for number in range(1, BACKUPS):
        at = manifest.created_at - timedelta(minutes=number)
        older = manifest.model_copy(update={"created_at": at, "name": artifact_name(at, "rdb", ".zst")})
        (storage / older.name).hardlink_to(storage / manifest.name)
        (storage / (older.name + MANIFEST_SUFFIX)).write_bytes(to_json(older))
