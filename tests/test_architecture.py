"""The house rules, checked: imports go down only, in no circle, and each outside package has one home."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the top down: a module imports what is in its own row or below it. `worker.sources` stands for all within.
LAYERS = {
    "the web": "web",
    "doors": "worker.tasks worker.__main__",
    "what the doors need": (
        "worker.celery worker.shell worker.stopping worker.console worker.heartbeat worker.recording worker.reaper worker.reporting"
    ),
    "how tasks travel": "celeryconfig",
    "verbs": (
        "worker.backup worker.restore worker.room worker.sampling worker.before worker.present worker.undo worker.wayback worker.pairs worker.preview worker.freshness worker.search worker.verify worker.adopt worker.repair worker.export worker.prune worker.pin worker.stats worker.ping"
    ),
    "a mirror": "worker.mirror worker.replicating worker.handover worker.guardian worker.standins worker.promotion worker.surplus",
    "which keys, and where to": "worker.inquiry worker.fitting worker.settled worker.standing worker.page worker.meaning worker.history worker.alive worker.places worker.request worker.findings worker.samples worker.fingerprint worker.selection worker.named worker.check worker.sound worker.redirection",
    "memory": (
        "worker.catalogue worker.retention worker.schedule worker.index worker.artifact worker.runs worker.run worker.listing worker.ownership worker.lock "
        "worker.access worker.audit"
    ),
    "one backup, described": "worker.notes worker.manifest",
    "the ends of the pipe": (
        "worker.sources worker.completeness worker.aftermath worker.footprint worker.needs worker.headroom worker.compare worker.differences worker.longstring worker.live worker.leftalone worker.modules worker.primary worker.keyset worker.libraries worker.target worker.rights worker.loadable worker.writing worker.payloads worker.flow worker.report worker.commands worker.formats worker.compression worker.storage worker.draft"
    ),
    "a Redis": "worker.fence worker.lease worker.broker worker.pace worker.facts worker.slots worker.wire worker.connection worker.timeouts",
    "ground": "worker.behalf worker.digest worker.buckets worker.scratch worker.aside worker.tally worker.entries worker.meter worker.progress worker.globs worker.sentinel worker.tls worker.process worker.proof worker.logs worker.config worker.fields worker.faults",
    "errors": "worker.errors",
    "the version": "worker",
}

# Whoever is not named here may not import it: a foreign thing is met, and translated, in its home.
HOMES = {
    "celery": "worker.celery worker.tasks celeryconfig web.jobs",
    "kombu": "celeryconfig",
    "billiard": "",
    "flask": "web",
    "flask_wtf": "web.auth web.answers",
    "flask_limiter": "web.tries",
    "limits": "web.tries",
    "waitress": "web.__main__",
    "werkzeug": "web",
    "redis": (
        "worker.timeouts worker.sentinel worker.connection worker.wire worker.broker worker.runs worker.sources worker.target worker.rights worker.slots worker.backup "
        "worker.mirror worker.handover worker.primary worker.promotion"
    ),
    "hiredis": "worker.wire worker.primary",
    "click": "worker.__main__ worker.shell worker.console",
    "rich": "worker.console",
    "pydantic_settings": "worker.config",
    "isal": "worker.compression",
    "backports": "worker.compression",
    "zstandard": "",
    "anycrc": "worker.formats",
    "orjson": "worker.formats",
    "obstore": "worker.storage",
    "pyrage": "worker.encryption",
    "requests": "",
}

# A module of these is at home with structlog, and no other: what only computes has nothing to tell.
SILENT = "worker.formats worker.sources worker.retention worker.schedule worker.entries worker.meter worker.config"

# A name that says nothing draws in everything that has no better place.
DRAWERS = {"utils", "util", "common", "helpers", "helper", "misc", "base", "shared", "lib", "tools"}


@dataclass(frozen=True)
class Import:
    """One import: the module that has it, what it imports, and where it stands."""

    by: str
    of: str
    line: int

    def __str__(self) -> str:
        return f"{self.by}, line {self.line}, imports {self.of}"


def modules(root: Path) -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for path in [*root.glob("worker/**/*.py"), *root.glob("web/**/*.py"), *root.glob("celeryconfig.py")]:
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> list[Import]:
    """All imports of all modules, those within functions too; of a package its member where the member is a module."""
    known = modules(root)
    return [one for name, path in known.items() for one in _imports(name, path, set(known))]


def _imports(name: str, path: Path, known: set[str]) -> Iterator[Import]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (Import(name, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                member = f"{origin}.{alias.name}"
                yield Import(name, member if member in known else origin, node.lineno)


def layer(module: str) -> int | None:
    """The row of LAYERS that a module is in: its own, or its nearest package's."""
    rows = {name: row for row, names in enumerate(LAYERS.values()) for name in names.split()}
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
    names, found = list(LAYERS), []
    for one in imports(root):
        if one.of.split(".")[0] not in ("worker", "web", "celeryconfig", "tests", "local", "benchmarks"):
            continue
        mine, its = layer(one.by), layer(one.of)
        if mine is None or its is None:
            found.append(f"{one}: one of them has no place in LAYERS, so nobody can say what is above it.")
        elif its < mine:
            found.append(
                f"{one}: {names[its]!r} is above {names[mine]!r}, and imports go down only. Hand the thing in as an "
                "argument, or move it to where both can reach it."
            )
    return found


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
    memory = (
        "catalogue",
        "manifest",
        "retention",
        "schedule",
        "runs",
        "run",
        "heartbeat",
        "access",
        "audit",
        "storage",
    )
    doors = {f"worker.{name}" for name in ("tasks", "celery", *memory, "config", "faults", "errors", "logs")}
    inside = [one for one in imports(ROOT) if within(one.by, "web") and within(one.of, "worker")]
    assert [str(one) for one in inside if one.of not in doors | {"worker"}] == []


def test_every_module_has_its_place_and_every_place_its_module() -> None:
    known = modules(ROOT)
    assert [name for name in known if layer(name) is None] == []
    named = {name for names in LAYERS.values() for name in names.split()} - {"web"}
    assert sorted(named - set(known)) == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [name for name in modules(ROOT) if DRAWERS & set(name.split("."))] == []


def test_every_module_says_in_one_line_what_it_is() -> None:
    wordless = [name for name, path in modules(ROOT).items() if not (ast.get_docstring(ast.parse(path.read_text())))]
    assert wordless == []


def test_the_map_of_the_worker_names_every_room() -> None:
    shown = ast.get_docstring(ast.parse((ROOT / "worker/__init__.py").read_text())) or ""
    rooms = {path.name if path.is_file() else f"{path.name}/" for path in (ROOT / "worker").iterdir()}
    rooms -= {"__init__.py", "__pycache__/"}
    assert sorted(room for room in rooms if room not in shown) == []


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small made-up tree that keeps all rules."""
    for name, text in {
        "worker/__init__.py": '"""The map."""\n',
        "worker/errors.py": "",
        "worker/backup.py": "from worker import errors\nimport json\n",
        "worker/tasks.py": "from worker.backup import backup\nimport celery\n",
        "worker/sources/__init__.py": "from worker.sources.scan import Scan\n",
        "worker/sources/scan.py": "from . import pieces\nfrom worker.wire import Wire\n",
        "worker/sources/pieces.py": "",
        "worker/wire.py": "import hiredis\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_tree_that_keeps_the_rules_passes(house: Path) -> None:
    assert climbing(house) + circles(house) + strangers(house) == []
    assert Import("worker.sources.scan", "worker.sources.pieces", 1) in imports(house)


@pytest.mark.parametrize(
    ("where", "line", "said"),
    [
        ("worker/errors.py", "from worker.tasks import backup", "worker.errors, line 1, imports worker.tasks: 'doors'"),
        (
            "worker/errors.py",
            "def f():\n    import worker.backup",
            "worker.errors, line 2, imports worker.backup: 'verb",
        ),
        ("worker/sources/pieces.py", "from ..backup import b", "worker.sources.pieces, line 1, imports worker.backup:"),
        ("worker/wire.py", "from worker import sources", "worker.wire, line 1, imports worker.sources: 'the ends of"),
        (
            "worker/novelty.py",
            "from worker import errors",
            "worker.novelty, line 1, imports worker.errors: one of them",
        ),
    ],
)
def test_an_import_that_climbs_is_reported_with_the_reason(house: Path, where: str, line: str, said: str) -> None:
    (house / where).write_text(line + "\n")
    (report,) = climbing(house)
    assert report.startswith(said)


def test_a_circle_is_reported(house: Path) -> None:
    (house / "worker/sources/pieces.py").write_text("from worker.sources.scan import Scan\n")
    assert circles(house) == ["worker.sources.scan -> worker.sources.pieces -> worker.sources.scan"]


def test_a_package_away_from_home_is_reported(house: Path) -> None:
    (house / "worker/backup.py").write_text("import celery.signals\nfrom flask import g\n")
    assert strangers(house) == [
        "worker.backup, line 1, imports celery.signals: celery is at home in worker.celery worker.tasks celeryconfig web.jobs only.",
        "worker.backup, line 2, imports flask: flask is at home in web only.",
    ]


def test_what_has_a_home_is_no_part_of_python() -> None:
    assert not set(HOMES) & set(sys.stdlib_module_names)
