"""README.md, tried out: every command that it shows is run, in its order, and every link leads somewhere."""

import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from werkzeug.security import check_password_hash

from local import demo
from tests.support.dashboard import Web
from tests.support.processes import BIN, CELERY, ROOT, Background, Ended, environment, run
from tests.support.servers import Server, binaries, free_port, running
from web.auth import need_of
from worker.config.settings import LOCAL_BROKER_PORT, LOCAL_SOURCE_PORT, WebSettings

README, GUIDE, QUICKSTART = ROOT / "README.md", ROOT / "docs/guide.md", ROOT / "docs/quickstart.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]

# What other tests start for real, and what would start itself here.
ELSEWHERE = {
    "make run": "tests/local/test_local.py",
    "make test": "tests/project/test_make.py",
    "make lint": "tests/project/test_make.py",
    "make install": "tests/project/test_make.py",
    "docker compose": "tests/project/test_compose.py",
    "git clone": "tests/project/test_make.py",
}
WEB_PORT = 8000
LONG = re.compile(r"celery( -q)? -A worker (worker|beat)\b")


def blocks(text: str) -> list[list[str]]:
    """The commands of each fenced console block: lines with `$ ` before them, and what goes on behind `> `."""
    found = []
    for block in re.findall(r"^```(?:console|sh)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        commands: list[str] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append(line[2:])
            elif line.startswith("> ") and commands:
                commands[-1] += "\n" + line[2:]
        found.append(commands)
    return found


def elsewhere(command: str) -> bool:
    return command.startswith(tuple(ELSEWHERE)) or bool(re.match(r"cd \S+$", command))


@dataclass
class Desk:
    """A folder with a copy of the code, as after `git clone` and `make run`, on ports of this test's own."""

    folder: Path
    env: dict[str, str]
    broker: Server
    source: Server
    web_port: int
    started: list[Background]

    def do(self, commands: list[str]) -> Ended:
        """One block in one bash session, which the first failure ends; what runs for ever is started beside it."""
        script = ["set -eu"]
        for command in commands:
            if LONG.match(command):
                name = f"long-{len(self.started)}"
                process = Background("bash", "-c", command, env=self.env, cwd=self.folder, name=name)
                self.started.append(process)
                process.wait_until_it_says(
                    "ready." if " worker" in command.removeprefix("celery -A worker") else "beat"
                )
            elif not elsewhere(command):
                script.append(command)
        text = "\n".join(script)
        here = {LOCAL_BROKER_PORT: self.broker.port, LOCAL_SOURCE_PORT: self.source.port, WEB_PORT: self.web_port}
        for port, mine in here.items():
            text = re.sub(rf":{port}\b", f":{mine}", text)
        return run("bash", "-c", text, env=self.env, cwd=self.folder)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder, binary = tmp_path / "clone", binaries()[-1]
    for name in ("worker", "web", "local"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "celeryconfig.py", folder)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/activate").write_text(f"export PATH={BIN}:$PATH\n")
    (folder / ".venv/bin/python").symlink_to(sys.executable)
    with running(binary, tmp_path / "broker") as broker, running(binary, tmp_path / "source") as source:
        assert demo.fill(source.port, int(time.time())) > 0
        env = environment(
            REDIS_URL=source.url,
            CELERY_BROKER_URL=broker.url,
            CELERY_RESULT_BACKEND=broker.url[:-1] + "1",
            BACKUP_STORAGE=str(folder / "backups"),
        )
        desk = Desk(folder, env | {"PYTHONPATH": str(folder)}, broker, source, free_port(), [])
        secrets = {
            "PORT": str(desk.web_port),
            "SESSION_SECRET": "0123456789abcdef" * 2,
            "ADMIN_PASSWORD": "long enough",
        }
        web = (sys.executable, "-m", "web")
        desk.started.append(Background(*CELERY, "worker", env=desk.env, cwd=folder, name="worker"))
        desk.started.append(Background(*web, env=desk.env | secrets, cwd=folder, name="web"))
        try:
            desk.started[0].wait_until_it_says("ready.")
            desk.started[1].wait_until_it_says(f":{desk.web_port}")
            yield desk
        finally:
            for process in desk.started:
                process.stop()


@pytest.mark.parametrize("page", [README, pytest.param(QUICKSTART, marks=pytest.mark.slow)], ids=lambda path: path.stem)
def test_the_session_runs_from_top_to_bottom_and_ends_with_the_data_back(page: Path, desk: Desk) -> None:
    before = {db: desk.source.client(db).dbsize() for db in range(3)}
    restored = False
    shown = blocks(page.read_text())
    for commands in shown:
        assert commands, "a console block without a command"
        ended = desk.do(commands)
        assert ended.code == 0, f"{commands}\n{ended.out}\n{ended.err}"
        assert "Traceback" not in ended.out + ended.err
        restored = restored or any("worker restore" in command for command in commands)
    assert restored, "the session ends in a restore"
    assert {db: desk.source.client(db).dbsize() for db in range(3)} == before
    assert list((desk.folder / "backups").glob("*.manifest.json"))


def test_the_first_command_is_the_one_that_starts_it_all() -> None:
    assert blocks(README.read_text())[0] == ["make run"]


def test_every_target_of_make_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for path in DOCUMENTS for name in re.findall(r"(?:[`$] ?|\S=\S+ )make ([a-z]+)", path.read_text())}
    assert {"run", "test"} <= named
    assert named - targets == set()


def test_every_verb_that_is_named_exists(tmp_path: Path) -> None:
    named = {
        name for path in DOCUMENTS for name in re.findall(r"python -m worker ([a-z]+(?:-[a-z]+)*)", path.read_text())
    }
    shown = run(sys.executable, "-m", "worker", "--help", env=environment(), cwd=tmp_path, forked=False).out
    verbs = set(re.findall(r"^  ([a-z]+(?:-[a-z]+)*) ", shown, re.MULTILINE))
    assert {"backup", "restore", "export"} <= named
    assert "put-back" in verbs
    assert named - verbs == set()


def test_every_task_that_is_named_exists() -> None:
    named = {name for path in DOCUMENTS for name in re.findall(r"worker\.tasks\.([a-z_]+)", path.read_text())}
    tasks = set(
        re.findall(r"^@(?:door|app\.task.*)\ndef ([a-z_]+)\(", (ROOT / "worker/tasks.py").read_text(), re.MULTILINE)
    )
    assert "backup" in named
    assert named - tasks == set()


def test_the_guide_names_every_setting_and_no_other() -> None:
    rows = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|", GUIDE.read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"[A-Z_]+", row)}
    assert named == {name.upper() for name in WebSettings.model_fields}


def test_the_guide_names_every_call_of_the_api_with_its_scope(web_app: Web) -> None:
    named = re.findall(r"^\| `([A-Z]+) (/api/\S+)` \| (\w+) \|", GUIDE.read_text(), re.MULTILINE)
    with web_app.app.app_context():
        calls = {
            (method, str(rule), need_of(rule.endpoint, method))
            for rule in web_app.app.url_map.iter_rules()
            if rule.endpoint.startswith("api.")
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        }
    assert set(named) == calls


def test_every_metric_that_the_guide_names_exists() -> None:
    named = set(re.findall(r"redis_backup_([a-z_]+)(?=[`{, ])", GUIDE.read_text()))
    defined = set(re.findall(r'_(?:gauge|labelled)\(\s*"([a-z_]+)"', (ROOT / "web/api/metrics.py").read_text()))
    assert len(defined) > 5
    assert named == defined | {"storage_up", "broker_up"}


def test_the_hash_that_the_guide_makes_is_one_of_the_password(tmp_path: Path) -> None:
    (line,) = re.findall(r'^python (-c ".*generate_password_hash.*")$', GUIDE.read_text(), re.MULTILINE)
    made = run("bash", "-c", f"{sys.executable} {line}", env=environment(), cwd=tmp_path, answer="correct horse\n")
    assert check_password_hash(made.out.strip(), "correct horse")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), f"{link} leads nowhere"
        assert not heading or heading in _anchors(target), f"{link}: there is no such heading"


def _anchors(path: Path) -> set[str]:
    """The headings of a page as GitHub makes links of them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_what_is_left_out_here_is_tested_where_it_says() -> None:
    assert [path for path in ELSEWHERE.values() if not (ROOT / path).exists()] == []


def test_blocks_are_read_with_what_goes_on_in_the_next_line() -> None:
    text = "# x\n```console\n$ one\nits output\n$ two \\\n> more\n```\n```json\n$ no\n```\n```sh\n$ three\n```\n"
    assert blocks(text) == [["one", "two \\\nmore"], ["three"]]
