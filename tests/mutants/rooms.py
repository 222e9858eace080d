"""The rooms whose mistakes are tried, and which tests would notice: those that take a minute together, soonest first."""

from pathlib import Path

ALL_TESTS = Path(__file__).parents[1]
WORKER = ALL_TESTS.parent / "worker"
LINES_PER_MUTANT, FEWEST_LINES = 150, 60
"""In the sample: a mutant for so many lines, and one at least of a module that is no shorter than that."""

TESTS = {
    "broker": "broker/lock broker",
    "broker/audit": "broker/access broker",
    "broker/heartbeat": "broker/heartbeat runs/ownership web/api/health",
    "broker/process": "runs/runs",
    "broker/tls": "server/tls",
    "broker/tokens": "broker/access web/token web/scopes",
    "engines": "engines/typed engines/expiry engines/scan",
    "engines/completeness": "faults/short_scans engines/scan",
    "engines/database": "faults/damaged engines/typed server/batches",
    "engines/live": "restore/preview restore/mirror/key_by_key",
    "engines/probe": "server/connection server/tls cli/shell",
    "engines/replication": "engines/replication engines/snapshot",
    "engines/sample": "faults/damaged_samples",
    "formats": "formats",
    "formats/compare": "formats/lasting formats/compare restore/preview search/patterns",
    "formats/compression": "formats/compression",
    "formats/entries": "engines/module_data engines/scan restore/mirror/key_by_key formats/types formats/portable",
    "formats/key_text": "restore/selection search/patterns",
    "formats/portable": "formats/portable formats/long_strings formats/document formats/rdb/vectors",
    "formats/rdb": "formats/rdb/codes formats/rdb/lengths formats/rdb/values formats/rdb/rdb_files formats/rdb/census formats/rdb/packed formats/rdb",
    "formats/rdb/reader": "formats/rdb/ends formats/rdb/rdb repository/sound formats/rdb",
    "formats/rdb/vectors": "formats/rdb/vectors",
    "formats/types": "formats/types server/rights",
    "repository": "repository/catalogue repository",
    "repository/behalf": "repository/behalf backups/by_hand",
    "repository/check": "backups/verify repository/manifest",
    "restore": "restore/restore restore/between restore/broken restore/cut restore/unfit",
    "restore/mirror": "restore/mirror",
    "restore/preview": "restore/preview restore/selection/left_alone",
    "restore/room": "restore/preview faults/room",
    "restore/sampling": "restore/preview faults/room",
    "restore/selection": "restore/selection formats/keyset",
    "restore/target": "restore/restore restore/between restore/broken restore/cut restore/unfit",
    "restore/target/footprint": "restore/target",
    "restore/target/headroom": "restore/preview faults/room",
    "restore/target/needs": "restore/preview faults/room",
    "restore/undo": "restore/undo",
    "runs": "runs/whose runs/ownership runs/runs",
    "runs/operations": "runs/operations web/doors",
    "runs/reporter": "runs/reporting",
    "runs/run": "runs/run",
    "runs/store": "runs/forgotten runs/runs runs/last_word",
    "server": "server/wire server/connection server/commands server/ways_in server/rights",
    "server/endpoint": "server/connection server/watched server/tls server/sentinel",
    "server/endpoint/sentinel": "server/watched server/sentinel",
    "server/fence": "faults/frozen runs/runs",
    "server/globs": "formats/globs",
    "server/info": "server/connection server/watched faults/room",
    "server/reading": "server/batches server/scanning engines/scan engines/typed",
    "server/reading/damage": "faults/damaged",
    "server/reading/expiry": "server/expiry engines/expiry",
    "server/rights": "server/rights",
    "server/slots": "server/cluster",
    "server/throttle": "server/pace",
    "storage": "storage/order storage/members storage backups/export",
    "storage/tempfiles": "faults/leftovers",
}
"""By the beginning of a module's path; the longest counts."""

ROOMS = tuple(name for name in TESTS if "/" not in name)


def run_for(module: str) -> tuple[str, ...]:
    """What pytest is given for a module, such as storage/local.py."""
    places = TESTS[max((start for start in TESTS if module.startswith(start)), key=len)]
    return tuple(found for place in places.split() for found in _found(place))


def _found(place: str) -> list[str]:
    folder, _, word = place.rpartition("/")
    if (ALL_TESTS / place).is_dir():
        return [f"tests/{place}"]
    exact = f"test_{word}.py"
    names = sorted(
        (path.name for path in (ALL_TESTS / folder).glob(f"test_*{word}*.py")), key=lambda name: (name != exact, name)
    )
    found = [f"tests/{folder}/{name}" for name in names]
    if not found:
        raise LookupError(f"There is no test of the name {place}.")
    return found


def modules(room: str) -> list[str]:
    """The modules of a room that do something."""
    return sorted(str(path.relative_to(WORKER)) for path in WORKER.glob(f"{room}/**/*.py") if _lines(path) > 10)


def sample_size(module: str) -> int:
    """How many of its mutants are tried by the tests of the project."""
    lines = _lines(WORKER / module)
    return max(1, round(lines / LINES_PER_MUTANT)) if lines >= FEWEST_LINES else 0


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())
