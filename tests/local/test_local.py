"""`make run`, as a process: what it starts, says, keeps, refuses and leaves behind."""

import contextlib
import hashlib
import os
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import pytest
import redis

from local import servers
from tests.conftest import StartServer
from tests.support.programs import program
from tests.support.servers import Binary, Server, _describe, binaries, free_port, running
from tests.support.states import assert_same, state
from worker.config.settings import WebSettings
from worker.errors import UsageError
from worker.server.scratch import programs

ROOT = Path(__file__).parents[2]
SERVERS = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "REDIS_URL")


@dataclass
class Run:
    """One `python -m local` in a copy of the project, on free ports."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    broker_port: int = field(default_factory=free_port)
    source_port: int = field(default_factory=free_port)
    port: int = field(default_factory=free_port)
    terminal: int | None = None
    """Where it speaks to, in place of a file."""

    def __post_init__(self) -> None:
        ports = ["--broker-port", str(self.broker_port), "--source-port", str(self.source_port)]
        ports += ["--port", str(self.port)]
        with (self.folder / "said").open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local", *ports],
                cwd=self.folder,
                env=clean_environment() | self.env,
                stdin=subprocess.DEVNULL,
                stdout=said if self.terminal is None else self.terminal,
                stderr=said,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()

    def wait_until_up(self) -> None:
        deadline = time.monotonic() + 60
        while "All is up" not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)
        assert "No sign of life" not in self.said, self.said

    def interrupt(self) -> int:
        """Ctrl-C: the terminal sends SIGINT to the whole group. The exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)

    def celery(self, *arguments: str) -> str:
        """The celery command in a second terminal, after the `export` lines that were shown."""
        exports = "\n".join(re.findall(r"^  (export .+)$", self.said, re.MULTILINE))
        command = [
            "sh",
            "-c",
            f'{exports}\nexec "$@"',
            "sh",
            str(Path(sys.executable).parent / "celery"),
            "-A",
            "worker",
        ]
        env = clean_environment() | self.env
        done = subprocess.run(
            [*command, *arguments], cwd=self.folder, env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def source(self, db: int = 0) -> "redis.Redis":
        return redis.Redis(port=self.source_port, db=db)

    @property
    def password(self) -> str:
        """The one that was printed."""
        (said,) = re.findall(
            rf"^Dashboard: http://127\.0\.0\.1:{self.port}    password: (\S+)$", self.said, re.MULTILINE
        )
        return str(said)

    def browser(self) -> "Browser":
        return Browser(f"http://127.0.0.1:{self.port}")


class Browser:
    """Somebody with cookies, who sees where he ends."""

    def __init__(self, url: str) -> None:
        self.url, self.jar = url, CookieJar()
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.jar))

    def opens(self, path: str, **form: str) -> tuple[str, str]:
        """The path of the page that came in the end, and its text; a form is posted."""
        with self._opener.open(self.url + path, urlencode(form).encode() if form else None) as answer:
            return str(urlsplit(answer.url).path), answer.read().decode()

    def logs_in(self, password: str) -> str:
        _, page = self.opens("/login")
        hidden = dict(re.findall(r'name="(csrf_token|next)"[^>]*value="([^"]*)"', page))
        return self.opens("/login", password=password, **hidden)[0]


def clean_environment() -> dict[str, str]:
    ours = {*SERVERS, *(name.upper() for name in WebSettings.model_fields)}
    return {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours}


def processes_in(folder: Path) -> dict[int, str]:
    """Every process that works in the folder or below, with its command line: all that a run started does."""
    found = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and Path(os.readlink(entry / "cwd")).is_relative_to(folder):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A copy of all that runs; whatever a failed test left running in it is ended."""
    folder = tmp_path / "project"
    for name in ("local", "worker", "web"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Procfile", "celeryconfig.py"):
        shutil.copy(ROOT / name, folder)
    yield folder
    for pid in processes_in(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for_success(run: Run, result_id: str) -> str:
    deadline = time.monotonic() + 30
    while True:
        try:
            return run.celery("result", result_id)
        except subprocess.CalledProcessError:
            assert time.monotonic() < deadline, run.said
            time.sleep(0.2)


def test_a_backup_of_the_demo_is_a_call_away_and_the_next_run_finds_it_all_again(project: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("canary-of-my-own\n")
    with running(_describe(servers.find()), project / "var/broker", "--appendonly", "yes") as broker:
        broker.client().set("of a version without a password", "kept")
    env = {"ADMIN_PASSWORD_FILE": str(tmp_path / "password")}
    run = Run(project, env)
    run.wait_until_up()
    visitor = run.browser()
    assert visitor.logs_in("canary-of-my-own") == "/"
    assert stat.S_IMODE((project / "var").stat().st_mode) == 0o700
    assert re.search(
        rf"^Source:    \w+ [\d.]+ at 127.0.0.1:{run.source_port}, a demo with [\d,]+ keys", run.said, re.MULTILINE
    )
    assert [run.source(db).dbsize() > 0 for db in range(4)] == [True, True, True, False]
    result_id = run.celery("call", "worker.tasks.backup")
    answer = wait_for_success(run, result_id)
    assert "redis_backup_" in answer
    assert list((project / "backups").glob("redis_backup_*.manifest.json"))
    password = keeps_strangers_out_of_its_broker(run)
    kept = redis.Redis(port=run.broker_port, password=password).get("of a version without a password")
    assert kept == b"kept"
    assert "Another `make run` is running" in refused(project)
    run.source().set("mark", "kept")
    run.source().delete("settings:bot")
    assert run.interrupt() == 0, run.said
    assert processes_in(project) == {}
    assert "canary" not in run.said

    again = Run(project, env, broker_port=run.broker_port, source_port=run.source_port, port=run.port)
    again.wait_until_up()
    assert visitor.opens("/")[0] == "/", "whoever was logged in still is"
    assert again.source().get("mark") == b"kept"
    assert not again.source().exists("settings:bot")
    assert again.celery("result", result_id) == answer
    assert keeps_strangers_out_of_its_broker(again) == password
    worker = next(pid for pid, line in processes_in(project).items() if "--queues jobs" in line)
    os.kill(os.getpgid(worker), signal.SIGKILL)
    assert again.process.wait(60) == 137
    assert "worker has ended (exit code 137)" in again.said
    assert processes_in(project) == {}


def refused(project: Path) -> str:
    ports = ["--broker-port", str(free_port()), "--source-port", str(free_port()), "--port", str(free_port())]
    ended = subprocess.run(
        [sys.executable, "-m", "local", *ports],
        cwd=project, env=clean_environment(), capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert ended.returncode == 1
    return ended.stderr


def keeps_strangers_out_of_its_broker(run: Run) -> str:
    """Nobody without the file gets in, and nobody else can read it: the password in it."""
    stranger = redis.Redis(port=run.broker_port, protocol=2)
    token = '{"name": "mine", "scopes": ["read", "restore"], "created_at": "2026-01-01T00:00:00Z", "created_by": "me", '
    token += f'"sha256": "{hashlib.sha256(b"rb_mine").hexdigest()}"}}'
    for attempt in (
        lambda: stranger.hset("redis_backup:tokens", "mine", token),
        lambda: stranger.lpush("quick", "{}"),
        lambda: stranger.config_get("requirepass"),
    ):
        with pytest.raises(redis.AuthenticationError, match="required"):
            attempt()
    kept = run.folder / "var/broker-password"
    password = kept.read_text()
    assert (stat.S_IMODE(kept.stat().st_mode), len(password) > 40) == (0o600, True)
    assert redis.Redis(port=run.broker_port, password=password).hkeys("redis_backup:tokens") == []
    assert password not in run.said + "".join(processes_in(run.folder).values())
    holding = [path for path in run.folder.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]
    assert holding == [kept]
    return password


def opens_with_a_password_that_nobody_else_is_told(run: Run) -> None:
    visitor, password = run.browser(), run.password
    assert visitor.opens("/")[0] == "/login"
    assert visitor.logs_in(password) == "/"
    secret = run.folder / "var/session-secret"
    assert (stat.S_IMODE(secret.stat().st_mode), len(secret.read_text()) > 40) == (0o600, True)
    lines = processes_in(run.folder)
    assert password not in "".join(lines.values())
    told = [line for pid, line in lines.items() if password.encode() in Path(f"/proc/{pid}/environ").read_bytes()]
    assert [line.split()[1:] for line in told] == [["-m", "web"]]


@pytest.mark.slow
def test_a_source_of_ones_own_is_only_read(project: Path, newest: Binary, start_server: StartServer) -> None:
    source = start_server(newest)
    source.client().set("mine", 1)
    before = state(source)
    run = Run(project, {"REDIS_URL": source.url})
    run.wait_until_up()
    version = ".".join(map(str, newest.release))
    assert "\nAll is up.\n" in run.said
    assert f"\nSource:    {newest.name} {version} at 127.0.0.1:{source.port}\n" in run.said
    opens_with_a_password_that_nobody_else_is_told(run)
    assert not (project / "var" / "demo").exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", run.source_port)) != 0
    wait_for_success(run, run.celery("call", "worker.tasks.backup"))
    assert_same(source, before)
    run.process.terminate()
    assert run.process.wait(60) == 0
    assert processes_in(project) == {}


def test_on_a_terminal_its_lines_are_for_people(project: Path) -> None:
    ours, theirs = pty.openpty()
    run = Run(project, terminal=theirs)
    os.close(theirs)
    seen = b""
    while not (b"All is up" in seen and b"source answers" in seen):
        seen += os.read(ours, 4096)
    run.process.terminate()
    with contextlib.suppress(OSError):
        while shown := os.read(ours, 4096):
            seen += shown
    os.close(ours)
    assert run.process.wait(60) == 0
    lines = re.sub(r"\x1b\[\d*m", "", seen.decode()).splitlines()
    (answers,) = [line for line in lines if "source answers" in line and "worker" in line]
    assert re.fullmatch(rf"\d\d:\d\d:\d\d worker +\| source answers address=127.0.0.1:{run.source_port} .*", answers)
    assert not [line for line in lines if "| {" in line]
    assert "superuser" not in "".join(lines)


def closed(server: Server) -> str:
    """What is said of it then."""
    server.kill()
    return "cannot be reached (Connection refused): is it running, and is REDIS_URL right?"


def refusing(server: Server) -> str:
    """The same."""
    server.client().config_set("requirepass", "another")
    return "refuses the user name or password: check REDIS_URL."


def frozen(server: Server) -> str:
    """The same."""
    server.process.send_signal(signal.SIGSTOP)
    return "did not answer in time while asking for INFO: is it overloaded, or the network slow?"


@pytest.mark.slow
@pytest.mark.parametrize("fault", [closed, refusing, frozen])
def test_a_source_that_does_not_answer_is_said_at_once_and_why(
    project: Path, start_server: StartServer, fault: Callable[[Server], str]
) -> None:
    source = start_server(binaries()[-1], password="canary-of-the-source")
    said = fault(source)
    run = Run(project, {"REDIS_URL": f"{source.url}?socket_timeout=1"})
    run.wait_until_up()
    assert "All is up, but for the source: see below." in run.said
    assert f"\nSource:    The source at 127.0.0.1:{source.port} {said}\n" in run.said
    assert "canary" not in run.said
    run.process.terminate()
    assert run.process.wait(60) == 0


def test_an_address_that_is_not_of_this_machine_is_one_sentence(project: Path) -> None:
    run = Run(project, {"WEB_BIND": "192.0.2.1"})
    assert run.process.wait(30) == 1
    assert (
        run.said
        == f"Starting ...\nNobody can listen on port {run.port} of 192.0.2.1: Cannot assign requested address.\n"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("REDIS_URL", "http://user:canary@host"), ("ADMIN_PASSWORD", "canary"), ("WEB_PROXIES", "canary")],
)
def test_a_wrong_setting_is_one_sentence(project: Path, name: str, value: str) -> None:
    run = Run(project, {name: value})
    assert run.process.wait(30) == 1
    assert run.said.startswith(f"The setting {name} is wrong")
    assert "canary" not in run.said


@pytest.mark.parametrize("taken", ["broker_port", "source_port", "port"])
def test_a_taken_port_is_one_sentence_and_whoever_has_it_hears_nothing(project: Path, taken: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.2)
        run = Run(project, **{taken: listener.getsockname()[1]})
        assert run.process.wait(30) == 1
        assert re.search(r"^Port \d+ is taken: is another `make run` running\?.*port NUMBER$", run.said, re.MULTILINE)
        assert "Traceback" not in run.said
        with pytest.raises(TimeoutError):
            listener.accept()
    assert not (project / "var" / "broker").exists()
    assert processes_in(project) == {}


def test_help_says_how_to_choose_the_ports() -> None:
    said = subprocess.check_output([sys.executable, "-m", "local", "--help"], cwd=ROOT, text=True)
    assert [name for name in ("--port", "--broker-port", "--source-port") if f"{name} PORT" not in said] == []


def only(monkeypatch: pytest.MonkeyPatch, *paths: Path, embedded: Path | None = None) -> None:
    """These servers are on PATH, and this one in a package; the first of those is in the venv."""
    monkeypatch.setattr(sys, "executable", str(paths[0].parent / "python"))
    monkeypatch.setenv("PATH", ":".join(str(one.parent) for one in paths))
    monkeypatch.setattr(programs, "embedded", lambda: [str(embedded)] if embedded else [])


def test_the_systems_server_comes_before_the_one_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = program(tmp_path / "venv/bin/redis-server", "echo Redis server v=6.2.14 sha=0")
    wheel = program(tmp_path / "wheel/valkey-server", "echo Valkey server v=9.1.2 sha=0")
    old = program(tmp_path / "old/redis-server", "echo Redis server v=5.0.3 sha=0")
    broken = program(tmp_path / "broken/redis-server", "echo not installed >&2; exit 127")
    only(monkeypatch, ours, broken, old, embedded=wheel)
    assert servers.find() == str(wheel)
    system = program(tmp_path / "system/valkey-server", "echo Valkey server v=8.0.1 sha=0")
    only(monkeypatch, ours, broken, old, system, embedded=wheel)
    assert servers.find() == str(system)


def test_the_one_in_the_wheel_is_there_and_runs() -> None:
    (path,) = programs.embedded()
    assert subprocess.check_output([path, "--version"], text=True).startswith("Valkey server v=9.1.")


def test_data_is_loaded_by_a_server_of_the_make_that_wrote_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redis_7 = program(tmp_path / "seven/redis-server", "echo Redis server v=7.0.15 sha=0")
    valkey_8 = program(tmp_path / "eight/valkey-server", "echo Valkey server v=8.1.0 sha=0")
    valkey_9 = program(tmp_path / "nine/valkey-server", "echo Valkey server v=9.1.2 sha=0")
    venv, data = tmp_path / "venv/python", tmp_path / "data"
    base = data / "appendonlydir/appendonly.aof.1.base.rdb"
    base.parent.mkdir(parents=True)
    for header, able in (
        (b"REDIS0010", redis_7),
        (b"REDIS0011", valkey_8),
        (b"VALKEY080", valkey_9),
    ):
        for path in (base, data / "dump.rdb"):
            path.write_bytes(header + b"\xff")
            only(monkeypatch, venv, redis_7, valkey_8, embedded=valkey_9)
            assert servers.find(data) == str(able)
            path.unlink()
    (data / "dump.rdb").write_bytes(b"REDIS0099\xff")
    future = program(tmp_path / "future/redis-server", "echo Redis server v=9.9.9 sha=0")
    only(monkeypatch, venv, redis_7, valkey_8, future, embedded=valkey_9)
    assert servers.find(data) == str(future)
    (data / "dump.rdb").write_bytes(b"REDIS0012\xff")
    redis_8 = program(tmp_path / "new/redis-server", "echo Redis server v=8.2.3 sha=0")
    only(monkeypatch, venv, valkey_8, redis_7, redis_8, embedded=valkey_9)
    assert servers.find(data) == str(redis_8)
    only(monkeypatch, venv, valkey_8, embedded=valkey_9)
    with pytest.raises(UsageError, match="was written by another server"):
        servers.find(data)


def test_without_any_server_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, tmp_path / "python")
    with pytest.raises(UsageError, match="apt install redis-server"):
        servers.find()
