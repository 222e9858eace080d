"""The house rules, checked: imports go down only, in no circle, and each outside package has one home."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.support.modules import modules

ROOT = Path(__file__).parent.parent

# From the top down: a folder imports from its own and from those below it. Beside each why it stands where it does.
FOLDERS = {
    "web": "shows and asks; what changes something goes through a task",
    "worker.__main__ worker.cli worker.lifecycle worker.beat worker.timetable worker.consumer worker.tasks worker.attempt worker.celery celeryconfig": "doors: they unpack, call a verb, and return",
    "worker.restore.drill": "a restore that nobody asked for, looked at afterwards",
    "worker.restore": "the verb: it has everything below done",
    "worker.restore.preview": "what a restore would do, and so also what it would undo or mirror",
    "worker.restore.undo": "what a restore found is kept, and brought back, by whatever writes",
    "worker.restore.mirror": "another way to write, beside the one key by key",
    "worker.restore.target": "a Redis that is written to, for a selection of keys",
    "worker.backups worker.alerts worker.search worker.segments.telling worker.restore.selection": "what is done with backups, and with a choice of their keys",
    "worker.arguments": "what may be asked for, beside a manifest; it does nothing, so web, tasks and shell share it",
    "worker.runs": "whose a run is, is told by the catalogue's addresses",
    "worker.notify": "who hears of it, whatever has happened above",
    "worker.segments": "what continues a backup: the source's stream, from one moment to another",
    "worker.repository": "what a backup is: it names the engine that made it",
    "worker.engines": "ways to read a server",
    "worker.formats.compare worker.formats.portable worker.server": "entries in documents, side by side, and on the wire",
    "worker.formats.rdb": "the bytes of entries",
    "worker.broker worker.formats": "where others are met, and what goes through every pipe",
    "worker.config worker.logs worker.storage": "the ground: settings, lines, files",
    "worker.progress worker.errors worker.words": "what everybody calls, raises and says",
    "worker": "the version",
}
MOST_MODULES = 15
"""In one folder, besides its `__init__`: who looks for something reads their names at a glance."""
LISTS = {"worker.cli": "one verb a module"}
"""Folders that may have more, for each module is one of the same kind."""

# Whoever is not named here may not import it: a foreign thing is met, and translated, in its home.
HOMES = {
    "celery": "worker.celery worker.lifecycle worker.beat worker.timetable worker.consumer worker.tasks worker.attempt celeryconfig web.jobs",
    "kombu": "celeryconfig worker.broker.transport",
    "billiard": "",
    "flask": "web",
    "flask_wtf": "web.auth web.errors",
    "flask_limiter": "web.rate_limits",
    "limits": "web.rate_limits",
    "waitress": "web.__main__ web.connections",
    "werkzeug": "web",
    "redis": "worker.broker worker.server worker.engines worker.segments worker.runs.store worker.alerts.memory worker.restore",
    "hiredis": "worker.server.wire worker.restore.mirror.visitors worker.formats.commands.reading",
    "click": "worker.__main__ worker.cli",
    "rich": "worker.cli.console",
    "pydantic_settings": "worker.config",
    "isal": "worker.formats.compression",
    "backports": "worker.formats.compression",
    "zstandard": "",
    "anycrc": "worker.formats",
    "apprise": "worker.notify.by_apprise",
    "orjson": "worker.formats",
    "obstore": "worker.storage",
    "pyrage": "worker.formats",
    "requests": "",
}

# A module of these is at home with structlog, and no other: what only computes has nothing to tell.
SILENT = "worker.formats worker.engines worker.backups.retention worker.backups.suspicion.judge worker.backups.schedule worker.repository.checksum worker.config"

# A name that says nothing draws in everything that has no better place.
DRAWERS = {"utils", "util", "common", "helpers", "helper", "misc", "base", "shared", "lib", "tools"}

# These do not say what a thing is. Within so many lines everybody still sees it.
VAGUE, NEAR = {"told", "given", "one", "found", "about"}, 3


@dataclass(frozen=True)
class Import:
    """One import: the module that has it, what it imports, and where it stands."""

    by: str
    of: str
    line: int

    def __str__(self) -> str:
        return f"{self.by}, line {self.line}, imports {self.of}"


def parsed(path: Path) -> ast.Module:
    """A module, which many of these tests read."""
    return _parsed(path, path.stat().st_mtime_ns)


@cache
def _parsed(path: Path, _changed_at: int) -> ast.Module:
    return ast.parse(path.read_text())


def imports(root: Path) -> list[Import]:
    """All imports of all modules, those within functions too; of a package its member where the member is a module."""
    known = modules(root)
    return [one for name, path in known.items() for one in _imports(name, path, set(known))]


def _imports(name: str, path: Path, known: set[str]) -> Iterator[Import]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (Import(name, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                member = f"{origin}.{alias.name}"
                yield Import(name, member if member in known else origin, node.lineno)


def layer(module: str) -> int | None:
    """The row of FOLDERS that a module is in: its own, or its nearest folder's."""
    rows = {name: row for row, names in enumerate(FOLDERS) for name in names.split()}
    while module not in rows and module.count(".") > 0:
        module = module.rpartition(".")[0]
        if module == "worker":
            return None
    return rows.get(module)


def within(module: str, homes: str) -> bool:
    """Whether a module is one of these, or in a package that is."""
    return any(module == home or module.startswith(f"{home}.") for home in homes.split())


def climbing(root: Path) -> list[str]:
    """Every import that goes up, and why that is wrong."""
    names, reasons, found = list(FOLDERS), list(FOLDERS.values()), []
    for one in imports(root):
        if one.of.split(".")[0] not in ("worker", "web", "celeryconfig", "tests", "local", "benchmarks"):
            continue
        mine, its = layer(one.by), layer(one.of)
        if mine is None or its is None:
            found.append(f"{one}: one of them has no place in FOLDERS, so nobody can say what is above it.")
        elif its < mine:
            found.append(
                f"{one}: {names[its]} ({reasons[its]}) is above {names[mine]} ({reasons[mine]}), and imports go down only. "
                "Hand the thing in as an argument, or move it to where both can reach it."
            )
    return found


def overfull(root: Path) -> list[str]:
    """Folders with more modules than anybody takes in at a glance."""
    within = Counter(name.rpartition(".")[0] for name, path in modules(root).items() if path.name != "__init__.py")
    return [
        f"{folder} has {number} modules, and {MOST_MODULES} at most may be in one folder: split it by idea."
        for folder, number in within.items()
        if number > MOST_MODULES and folder not in LISTS
    ]


def circles(root: Path) -> list[str]:
    """Modules that import each other, as a path that ends where it began."""
    known = modules(root)
    graph: dict[str, set[str]] = {name: set() for name in known}
    for one in imports(root):
        if one.of in known and one.of != one.by:
            graph[one.by].add(one.of)
    found: list[str] = []
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            found.append(" -> ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for other in sorted(graph[name]):
                visit(other, [*trail, name])
            done.add(name)

    for name in sorted(graph):
        visit(name, [])
    return found


def strangers(root: Path) -> list[str]:
    """Outside packages that are imported where they are not at home."""
    return [
        f"{one}: {package} is at home in {HOMES[package] or 'no module'} only."
        for one in imports(root)
        if (package := one.of.split(".")[0]) in HOMES and not within(one.by, HOMES[package])
    ]


def vague(root: Path) -> list[str]:
    """Names of VAGUE that travel further than NEAR lines in a function."""
    faults = []
    for module, path in modules(root).items():
        for function in ast.walk(parsed(path)):
            if isinstance(function, ast.FunctionDef):
                faults += [
                    f"{module}.{function.name} calls something `{name}` over {lines} lines: give it its real name."
                    for name, lines in _travels(function)
                    if lines > NEAR
                ]
    return faults


def _travels(function: ast.FunctionDef) -> Iterator[tuple[str, int]]:
    """The names of VAGUE in a function, each with the lines from its first place to its last."""
    places: dict[str, list[int]] = {}
    for node in ast.walk(function):
        name = node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""
        if isinstance(node, ast.Name | ast.arg) and name in VAGUE:
            places.setdefault(name, []).append(node.lineno)
    for name, lines in places.items():
        yield name, max(lines) - min(lines)


def test_imports_go_down_only() -> None:
    assert len(imports(ROOT)) > 100
    assert climbing(ROOT) == []


def test_no_module_imports_itself_by_a_detour() -> None:
    assert circles(ROOT) == []


def test_each_outside_package_has_one_home() -> None:
    assert strangers(ROOT) == []


def test_what_only_computes_writes_no_log() -> None:
    assert [str(one) for one in imports(ROOT) if one.of.startswith("structlog") and within(one.by, SILENT)] == []


def test_the_code_does_not_know_its_tests_nor_what_make_run_starts() -> None:
    assert [
        str(one) for one in imports(ROOT) if one.of.split(".")[0] in ("tests", "local", "benchmarks", "pytest")
    ] == []


def test_the_web_enters_by_the_doors_and_reads_what_is_remembered() -> None:
    doors = "worker.arguments worker.celery worker.runs worker.repository worker.broker worker.notify worker.storage worker.config worker.errors worker.logs"
    pure = "worker.backups.retention worker.backups.suspicion.judge worker.backups.copies.retention worker.backups.schedule worker.formats.types"
    pure += " worker.backups.choosing worker.alerts.events worker.alerts.judged worker.alerts.memory worker.alerts.strict worker.words worker.segments.visits.standing"
    inside = [one for one in imports(ROOT) if within(one.by, "web") and within(one.of, "worker")]
    assert [str(one) for one in inside if not within(one.of, f"{doors} {pure}") and one.of != "worker"] == []


def test_nobody_outside_its_room_knows_how_a_storage_keeps_its_files() -> None:
    members = "worker.storage.local worker.storage.draft"
    assert [str(one) for one in imports(ROOT) if within(one.of, members) and not within(one.by, "worker.storage")] == []


def test_every_module_has_its_place_and_every_place_its_module() -> None:
    known = modules(ROOT)
    assert [name for name in known if layer(name) is None] == []
    named = {name for names in FOLDERS for name in names.split()}
    assert sorted(named - set(known)) == []


def test_no_folder_is_a_corridor() -> None:
    assert overfull(ROOT) == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [name for name in modules(ROOT) if DRAWERS & set(name.split("."))] == []


def test_a_name_that_travels_says_what_the_thing_is() -> None:
    assert vague(ROOT) == []


def test_every_module_says_in_one_line_what_it_is() -> None:
    wordless = [name for name, path in modules(ROOT).items() if not (ast.get_docstring(parsed(path)))]
    assert wordless == []


def test_the_map_of_the_worker_names_every_room() -> None:
    shown = ast.get_docstring(ast.parse((ROOT / "worker/__init__.py").read_text())) or ""
    files = [
        path.relative_to(ROOT / "worker") for path in modules(ROOT).values() if path.is_relative_to(ROOT / "worker")
    ]
    rooms = {f"{path.parts[0]}/" if len(path.parts) > 1 else path.name for path in files} - {"__init__.py"}
    assert sorted(room for room in rooms if room not in shown) == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small made-up tree that keeps all rules."""
    for name, text in {
        "worker/__init__.py": '"""The map."""\n',
        "worker/errors.py": "",
        "worker/backups/backup.py": "from worker import errors\nimport json\n",
        "worker/tasks.py": "from worker.backups.backup import backup\nimport celery\n",
        "worker/engines/__init__.py": "from worker.engines.scan import Scan\n",
        "worker/engines/scan.py": "from . import collections\nfrom worker.server.wire import Wire\n",
        "worker/engines/collections.py": "",
        "worker/server/wire.py": "import hiredis\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_tree_that_keeps_the_rules_passes(house: Path) -> None:
    assert climbing(house) + circles(house) + strangers(house) + overfull(house) == []
    assert Import("worker.engines.scan", "worker.engines.collections", 1) in imports(house)


@pytest.mark.parametrize(
    ("where", "line", "said"),
    [
        (
            "errors.py",
            "from worker.tasks import backup",
            "worker.errors, line 1, imports worker.tasks: worker.__main__",
        ),
        (
            "errors.py",
            "def f():\n    import worker.backups.backup",
            "worker.errors, line 2, imports worker.backups.backup: worker.backups",
        ),
        (
            "engines/collections.py",
            "from ..backups.backup import b",
            "worker.engines.collections, line 1, imports worker.backups.backup:",
        ),
        (
            "server/wire.py",
            "from worker import engines",
            "worker.server.wire, line 1, imports worker.engines: worker.engines (ways to read a server) is above",
        ),
        ("novelty.py", "from worker import errors", "worker.novelty, line 1, imports worker.errors: one of them"),
    ],
)
def test_an_import_that_climbs_is_reported_with_the_reason(house: Path, where: str, line: str, said: str) -> None:
    (house / "worker" / where).write_text(line + "\n")
    (report,) = climbing(house)
    assert report.startswith(said)


def test_a_circle_is_reported(house: Path) -> None:
    (house / "worker/engines/collections.py").write_text("from worker.engines.scan import Scan\n")
    assert circles(house) == ["worker.engines.scan -> worker.engines.collections -> worker.engines.scan"]


def test_a_package_away_from_home_is_reported(house: Path) -> None:
    (house / "worker/backups/backup.py").write_text("import celery.signals\nfrom flask import g\n")
    assert strangers(house) == [
        "worker.backups.backup, line 1, imports celery.signals: celery is at home in worker.celery worker.lifecycle worker.beat worker.timetable worker.consumer worker.tasks worker.attempt celeryconfig web.jobs only.",
        "worker.backups.backup, line 2, imports flask: flask is at home in web only.",
    ]


def test_a_name_that_travels_without_a_meaning_is_reported(house: Path) -> None:
    (house / "worker/errors.py").write_text(
        "def seen(one):\n    found = one\n    told = found\n\n\n    return told, one\n"
    )
    assert vague(house) == ["worker.errors.seen calls something `one` over 5 lines: give it its real name."]


def test_a_folder_that_is_full_is_reported(house: Path) -> None:
    for number in range(MOST_MODULES):
        (house / f"worker/engines/another_{number}.py").write_text("")
    assert overfull(house) == ["worker.engines has 17 modules, and 15 at most may be in one folder: split it by idea."]


def test_what_has_a_home_is_no_part_of_python() -> None:
    assert not set(HOMES) & set(sys.stdlib_module_names)
