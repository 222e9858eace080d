"""docker-compose.yml and Dockerfile without Docker: what they promise, and each command of them started for real."""

import ast
import contextlib
import fnmatch
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from honcho.environ import parse_procfile
from packaging.utils import canonicalize_name

from tests.support.processes import CANARY, eventually
from tests.support.programs import program
from tests.support.servers import Binary, Server, free_port
from worker.config.settings import Settings, WebSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
UP_SECONDS = 60
SECRETS = {
    "SESSION_SECRET": "0123456789abcdef" * 2,
    "ADMIN_PASSWORD": "long enough",
    "BROKER_PASSWORD": "fedcba9876543210" * 2,
}


def dockerfile(instruction: str) -> list[str]:
    """The arguments of every such instruction, continued lines joined."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", "").splitlines()
    return [line.split(None, 1)[1] for line in lines if line.startswith(f"{instruction} ")]


def interpolate(text: str, env: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-otherwise}`, `${NAME:?complaint}` and `${NAME?complaint}`, as docker compose reads them."""

    def value(match: re.Match[str]) -> str:
        name, kind, words = match.groups()
        missing = name not in env if kind == "?" else not env.get(name)
        if missing and kind in ("?", ":?"):
            raise LookupError(words)
        return words if missing and kind == ":-" else env.get(name, "")

    return re.sub(r"\$\{(\w+)(?:(:-|:\?|\?)([^}]*))?\}", value, text)


@dataclass
class Stack:
    """The services as processes of this machine: the image is a folder, the network is 127.0.0.1."""

    folder: Path
    binary: Binary
    redis_url: str
    port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)
    running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def build(self) -> None:
        """Do what the Dockerfile does: its folders, its COPY lines, and nothing else."""
        for path in re.findall(r"(?<= )/(?:app)\S*", dockerfile("RUN")[0]):
            (self.folder / path[1:]).mkdir(parents=True, exist_ok=True)
        for line in dockerfile("COPY"):
            *sources, to = line.split()
            for source in sources:
                where = self.folder / "app" / to
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, where, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, where)
        (self.folder / "data").mkdir()
        client = shutil.which("redis-cli", path=self._path())
        program(self.folder / "bin/redis-server", f'exec {self.binary.path} "$@" --port {self.port} --bind 127.0.0.1')
        program(self.folder / "bin/redis-cli", f'exec {client} -p {self.port} "$@"')

    def _path(self) -> str:
        return f"{Path(sys.executable).parent}:{Path(self.binary.path).parent}:{os.defpath}"

    def _here(self, text: str) -> str:
        text = (
            text.replace("$$", "$")
            .replace("broker:6379", f"127.0.0.1:{self.port}")
            .replace(":8000", f":{self.web_port}")
        )
        return re.sub(r"(?<![\w/])/(app|data)\b", lambda match: f"{self.folder}/{match[1]}", text)

    def env(self, name: str) -> dict[str, str]:
        """What a container of the service would see: compose's environment and the image's, none of this machine's."""
        given = SERVICES[name].get("environment", {})
        address = self.redis_url.replace(f":{CANARY}@", "")
        targets = {"REDIS_TARGETS": f"other={self.redis_url}", "REDIS_TARGET_ADDRESSES": f"other={address}"}
        chosen = SECRETS | targets | {"REDIS_URL": self.redis_url, "REDIS_ADDRESS": address}
        env = {key: self._here(interpolate(value, chosen)) for key, value in given.items()}
        # A container has port 8000 to itself; here that is another one.
        env |= {"PORT": str(self.web_port)} if name == "web" else {}
        env |= dict(word.split("=", 1) for line in dockerfile("ENV") for word in self._here(line).split())
        return env | {"PATH": f"{self.folder / 'bin'}:{self._path()}", "LANG": "C.UTF-8"}

    def start(self, name: str) -> None:
        command = [self._here(word) for word in SERVICES[name]["command"]]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=self.folder / "app", env=self.env(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def healthy(self, name: str) -> bool:
        kind, *test = map(self._here, SERVICES[name]["healthcheck"]["test"])
        command = {"CMD": test, "CMD-SHELL": ["/bin/sh", "-c", *test]}[kind]
        where = self.folder / "app"
        return subprocess.run(command, cwd=where, env=self.env(name), capture_output=True, check=False).returncode == 0

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def wait_until_healthy(self, name: str) -> None:
        deadline = time.monotonic() + UP_SECONDS
        while not self.healthy(name):
            assert self.running[name].poll() is None, f"{name} has ended:\n{self.log(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy:\n{self.log(name)}"
            time.sleep(0.2)

    def terminate(self, name: str) -> int:
        """What `docker stop` does with `init: true`; the exit code."""
        self.running[name].terminate()
        return self.running[name].wait(30)


@pytest.fixture
def stack(tmp_path: Path, newest: Binary, start_server: Any) -> Iterator[Stack]:
    source: Server = start_server(newest, password=CANARY)
    source.client().set("key", "value")
    stack = Stack(tmp_path / "image", newest, source.url)
    stack.build()
    yield stack
    for process in stack.running.values():
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def test_every_service_starts_becomes_healthy_and_ends_when_it_is_asked_to(stack: Stack) -> None:
    order = sorted(SERVICES, key=lambda name: len(SERVICES[name].get("depends_on", ())))
    assert order[0] == "broker"
    for name in order:
        assert not stack.healthy(name), f"{name} is called healthy before it runs"
        stack.start(name)
        stack.wait_until_healthy(name)
    # Beat asks for it when it starts, and knows no password of the source; the worker does.
    backups = stack.folder / "app/backups"
    eventually(lambda: list(backups.glob("*.manifest.json")), lambda: f"a backup:\n{stack.log('worker')}")
    lets_nobody_into_the_broker(stack)
    for name in reversed(order):
        assert stack.terminate(name) == 0, f"{name} did not end well:\n{stack.log(name)}"


def lets_nobody_into_the_broker(stack: Stack) -> None:
    stranger = redis.Redis(port=stack.port, protocol=2)
    for words in (("HSET", "redis_backup:tokens", "mine", "{}"), ("LPUSH", "quick", "{}")):
        with pytest.raises(redis.AuthenticationError, match="required"):
            stranger.execute_command(*words)  # type: ignore[no-untyped-call]
    password = SECRETS["BROKER_PASSWORD"]
    broker: Any = redis.Redis(port=stack.port, password=password, decode_responses=True)
    limits = {"maxmemory-policy": "noeviction", "maxmemory": str(512 << 20)}
    assert limits.items() <= broker.config_get("maxmemory*").items()
    for name, process in stack.running.items():
        assert password.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert password not in stack.log(name)


@pytest.mark.parametrize("name", ["web", "beat"])
def test_who_speaks_to_the_broker_alone_is_told_no_other_password(name: str, stack: Stack) -> None:
    assert CANARY in stack.env("worker")["REDIS_URL"]
    told = stack.env(name)
    assert CANARY not in "".join(told.values())
    assert told["REDIS_URL"] == stack.redis_url.replace(f":{CANARY}@", "")
    assert SECRETS["BROKER_PASSWORD"] in told["CELERY_BROKER_URL"]


def test_the_commands_are_those_of_the_procfile() -> None:
    processes = parse_procfile((ROOT / "Procfile").read_text()).processes
    assert set(processes) == set(OURS)
    for name in OURS:
        assert SERVICES[name]["command"] == shlex.split(processes[name])


def test_the_dashboard_listens_where_its_port_is_published() -> None:
    environment = SERVICES["web"]["environment"]
    assert environment["WEB_BIND"] == "0.0.0.0"
    assert "PORT" not in environment, "the port within is the usual one, whatever it is outside"
    assert SERVICES["web"]["ports"][0].endswith(f":{WebSettings.model_fields['port'].default}")


@pytest.mark.parametrize(
    ("name", "setting", "given", "said"),
    [
        ("worker", "REDIS_URL", {}, "set it to the Redis to protect"),
        ("beat", "REDIS_URL", {"REDIS_URL": "redis://:canary@host"}, "set it to REDIS_URL without user and password"),
        ("web", "REDIS_URL", {"REDIS_URL": "redis://:canary@host"}, "set it to REDIS_URL without user and password"),
        ("broker", "BROKER_PASSWORD", {"BROKER_PASSWORD": ""}, "set it to 32 random letters and digits or more"),
        ("web", "SESSION_SECRET", {"SESSION_SECRET": ""}, "set it to 32 random characters or more"),
        ("web", "ADMIN_PASSWORD", {}, "set it to the password of the dashboard"),
    ],
)
def test_it_does_not_start_without_what_it_needs(name: str, setting: str, given: dict[str, str], said: str) -> None:
    with pytest.raises(LookupError, match=said):
        interpolate(SERVICES[name]["environment"][setting], given)


def test_a_hash_may_stand_for_the_password() -> None:
    environment = SERVICES["web"]["environment"]
    given = {"ADMIN_PASSWORD": "", "ADMIN_PASSWORD_HASH": "scrypt:..."}
    assert interpolate(environment["ADMIN_PASSWORD"], given) == ""
    assert interpolate(environment["ADMIN_PASSWORD_HASH"], given) == "scrypt:..."


@pytest.mark.parametrize("name", OURS)
def test_every_setting_can_be_given(name: str) -> None:
    given = {setting.upper() for setting in Settings.model_fields}
    assert given - {"SESSION_SECRET"} <= set(SERVICES[name]["environment"])


def test_what_seals_values_reaches_who_finds_them_and_who_shows_them_and_nobody_else() -> None:
    told = {name: SERVICES[name].get("environment", {}).get("SESSION_SECRET") for name in SERVICES}
    assert {name for name, value in told.items() if value} == {"questions", "web"}
    assert told["questions"] == told["web"]


def test_every_setting_of_the_dashboard_can_be_given_and_reaches_nobody_else() -> None:
    its_own = {setting.upper() for setting in set(WebSettings.model_fields) - set(Settings.model_fields)}
    published = set(re.findall(r"\$\{(\w+)", "".join(SERVICES["web"]["ports"])))
    assert its_own <= set(SERVICES["web"]["environment"]) | published
    for name in set(SERVICES) - {"web"}:
        assert not its_own & set(SERVICES[name].get("environment", {}))


def test_the_dashboard_is_reached_from_this_machine_only_unless_told_otherwise() -> None:
    (port,) = SERVICES["web"]["ports"]
    assert interpolate(port, {}) == "127.0.0.1:8000:8000"
    assert interpolate(port, {"WEB_BIND": "0.0.0.0", "PORT": "80"}) == "0.0.0.0:80:8000"
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["web"]


def test_the_dashboard_cannot_write_where_the_backups_lie() -> None:
    assert SERVICES["web"]["volumes"] == ["backups:/app/backups:ro", "cache:/app/cache"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_a_service_waits_for_a_healthy_broker(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {"broker": {"condition": "service_healthy"}}


def test_nobody_outside_reaches_the_broker() -> None:
    assert "ports" not in SERVICES["broker"]
    assert SERVICES["broker"]["networks"] == ["queue"]
    assert COMPOSE["networks"]["queue"] == {"internal": True}


def test_a_worker_has_longer_to_stop_than_anybody_else_and_beat_is_alone() -> None:
    assert SERVICES["worker"]["stop_grace_period"] == "30m"
    assert SERVICES["beat"]["deploy"]["replicas"] == 1


@pytest.mark.parametrize("name", OURS)
def test_volumes_are_declared_and_mounted_where_the_image_has_a_folder_of_its_user(name: str) -> None:
    for volume in SERVICES[name]["volumes"]:
        declared, where, *_ = volume.split(":")
        assert declared in COMPOSE["volumes"]
        assert where in dockerfile("RUN")[0].split()


def test_the_image_is_slim_and_its_user_is_not_root() -> None:
    assert [image.partition("@")[0] for image in dockerfile("FROM")] == ["python:3.12-slim"]
    uid = dockerfile("USER")[-1].split(":")[0]
    assert int(uid) > 0
    assert f"useradd --uid {uid} " in dockerfile("RUN")[0]
    assert "-o backup -g backup -m 0700" in dockerfile("RUN")[0]


def test_the_image_alone_serves_all_queues() -> None:
    command = ast.literal_eval(dockerfile("CMD")[-1])
    assert command[command.index("--queues") + 1].split(",") == ["jobs", "quick", "questions", "stream"]


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    for line in dockerfile("COPY"):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
            last = [pattern for pattern in patterns if fnmatch.fnmatch(source, pattern.lstrip("!"))][-1]
            assert last.startswith("!"), f".dockerignore keeps {source} out"


@pytest.mark.parametrize(
    ("lock", "folders"), [("requirements.lock", ["worker", "web"]), ("requirements-local.lock", ["local"])]
)
def test_what_is_installed_has_every_package_that_the_code_imports(lock: str, folders: list[str]) -> None:
    """In the image, and for `make run`."""
    installed = set(re.findall(r"^([\w.-]+)==", (ROOT / lock).read_text(), flags=re.MULTILINE))
    homes = importlib.metadata.packages_distributions()
    ours = {"worker", "web", "local", "compression"}
    for path in [*(path for folder in folders for path in (ROOT / folder).rglob("*.py")), ROOT / "celeryconfig.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            # `compression` is in Python 3.14 itself.
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names - ours:
                assert {canonicalize_name(home) for home in homes[name]} & installed, f"{path}: {name}"
