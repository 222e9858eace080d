"""The rooms whose mistakes are tried, and which tests would notice, soonest first: its own, then those of who uses it."""

from pathlib import Path

ALL_TESTS = Path(__file__).parents[1]
WORKER = ALL_TESTS.parent / "worker"
LINES_PER_MUTANT, FEWEST_LINES = 150, 60
"""In the sample: a mutant for so many lines, and one at least of a module that is no shorter than that."""

TESTS = {
    "broker": "broker/lock broker runs/ownership faults/frozen",
    "broker/audit": "broker/access broker web/stolen web/traces",
    "broker/envelope": "broker/garbage broker runs/tasks",
    "broker/heartbeat": "broker/heartbeat runs/beat web/api/health runs/ownership",
    "broker/lease": "broker/lock runs/ownership faults/frozen runs/lost",
    "broker/process": "runs/runs",
    "broker/timeouts": "broker/rate faults/slow_peers broker server/connection server/wire faults/silent",
    "broker/tls": "server/tls",
    "broker/tokens": "broker/access web/token web/scopes web/bounded web/lockout web/forged",
    "broker/transport": "broker/let_go broker/garbage broker",
    "engines": "engines/choice engines/typed engines/expiry engines/scan engines/lean engines/contract engines/encodings server/batches",
    "engines/collections": "engines/pieces engines/typed engines/lean engines/contract",
    "engines/completeness": "engines/gone_meanwhile faults/short_scans engines/scan",
    "engines/database": "faults/damaged engines/typed server/batches engines/scan",
    "engines/live": "formats/compare restore/preview/preview restore/mirror/key_by_key restore/preview",
    "engines/probe": "server/connection server/tls cli/shell faults/sources",
    "engines/replication": "engines/replication engines/snapshot faults/sources",
    "engines/sample": "faults/damaged_samples engines/typed",
    "engines/scan": "engines/scan server/pace server/batches engines/expiry engines/contract faults/short_scans",
    "engines/streams": "engines/pieces engines/typed engines/contract",
    "formats": "formats engines/typed restore/preview/preview",
    "formats/compare": "formats/side_by_side formats/lasting formats/compare restore/preview search/patterns search/meaning",
    "formats/compression": "formats/compression backups/export repository/writer faults/bombs",
    "formats/encryption": "formats/encryption",
    "formats/encryption/pump": "formats/pump formats/encryption",
    "formats/entries": "engines/module_data engines/scan restore/mirror/key_by_key formats/types formats/portable",
    "formats/key_text": "restore/selection search/patterns",
    "formats/portable": "formats/document_parts formats/refused formats/any_document formats/portable formats/long_strings formats/document formats/rdb/vectors faults/portable formats backups/export",
    "formats/prefixes": "formats/prefixes formats/rdb/census",
    "formats/rdb": "formats/rdb/codes formats/rdb/spellings formats/rdb/lengths formats/rdb/values formats/rdb/rdb_files formats/rdb/census formats/rdb/packed formats/rdb repository/sound engines/typed",
    "formats/rdb/lengths": "formats/rdb/spellings formats/rdb/lengths formats/rdb/places restore/target/reckoning restore/target/costs restore/target/footprint faults/bombs faults/reckoned",
    "formats/rdb/reader": "formats/rdb/readers formats/rdb/ends formats/rdb/rdb repository/sound formats/rdb engines/replication faults/bombs",
    "formats/rdb/vectors": "formats/rdb/vector_payloads formats/rdb/vectors formats/document",
    "formats/types": "formats/types server/rights",
    "repository": "repository/catalogue repository backups/verify backups/trash backups/by_hand backups/wrong_clock",
    "repository/artifact": "repository/artifact backups/verify repository/manifest backups/adopt backups/export repository restore/broken",
    "repository/behalf": "repository/behalf backups/by_hand",
    "repository/check": "backups/verify repository/manifest",
    "repository/contents": "repository backups/adopt",
    "repository/copies": "copies/reckoned copies/found copies/standing copies",
    "repository/drills": "repository/drills",
    "repository/remembered": "repository/remembered repository/catalogue repository",
    "repository/signing": "repository/journal repository/trust repository/chain repository/signatures repository/catalogue backups/verify repository",
    "repository/versions": "backups/versions storage/policy repository",
    "restore": "restore/durations restore/selection/left_alone restore/restore restore/between restore/broken restore/cut restore/unfit faults/targets faults/refus",
    "restore/drill": "restore/drill",
    "restore/mirror": "restore/mirror/primary restore/mirror/choice restore/mirror/reach restore/mirror/strangers restore/mirror faults/mirrors_by_keys",
    "restore/mirror/primary": "restore/mirror/primary restore/mirror/strangers faults/slow_peers restore/mirror/mirror",
    "restore/mirror/visitors": "restore/mirror/visitors restore/mirror/primary restore/mirror/strangers restore/mirror/mirror_faults",
    "restore/preview": "restore/preview/findings restore/durations restore/preview/fingerprint restore/preview/objections restore/preview/preview restore/preview restore/selection/left_alone restore/between formats/rdb/vectors runs/kept_questions",
    "restore/preview/left_alone": "restore/selection/left_alone restore/preview/as_previewed restore/preview",
    "restore/room": "faults/reckoned faults/room restore/preview/forecast restore/preview",
    "restore/sampling": "restore/target/headroom restore/preview/forecast faults/room faults/reckoned restore/preview",
    "restore/selection": "restore/selection restore/mirror/reach formats/keyset restore/restore restore/mirror/key_by_key",
    "restore/target": "restore/target/settlement restore/target/writer restore/restore restore/between restore/cut faults/refus faults/cut_ restore/target restore/broken restore/unfit faults/targets",
    "restore/target/aftermath": "restore/target/aftermath restore/restore faults/targets faults/room restore/cut",
    "restore/target/commands": "restore/target/built server/commands restore/between formats/rdb/vectors engines/typed",
    "restore/target/flow": "restore/restore restore/cut restore/target faults/cut_ faults/refus faults/silent",
    "restore/target/footprint": "restore/target/reckoning restore/target/costs restore/target/footprint faults/reckoned faults/room",
    "restore/target/headroom": "restore/target/headroom restore/target/guard restore/preview/forecast faults/room faults/reckoned restore/preview",
    "restore/target/needs": "restore/target/headroom restore/preview/forecast faults/room faults/reckoned restore/preview",
    "restore/target/report": "restore/target restore/restore restore/between restore/cut faults/cut_ faults/refus",
    "restore/target/values": "restore/target/fits_set restore/target/settlement restore/target/writer restore/restore restore/between restore/undo/theirs faults/cut_ restore/target restore/unfit",
    "restore/undo": "restore/undo/chunks restore/durations restore/undo faults/undo repository/manifest",
    "runs": "runs/whose runs/ownership runs/runs runs/operations runs/questions runs/lost runs/last_word runs/cancelling",
    "runs/cancelling": "runs/cancelling web/api/cancelling",
    "runs/listing": "runs/runs runs/forgotten runs/unreachable web/api web/traces",
    "runs/liveness": "runs/runs runs/lost_runs runs/killed_runs",
    "runs/operations": "runs/operations web/doors runs/runs runs/tasks",
    "runs/recorder": "runs/last_word runs/runs runs/whose runs/ownership runs/lost runs/cancelling runs/tasks runs/priority web/traces",
    "runs/reporter": "runs/reporting",
    "runs/run": "runs/run",
    "runs/store": "runs/forgotten runs/runs runs/last_word runs/ownership runs/unreachable web/api",
    "runs/values": "runs/values runs/kept_questions runs/questions runs/unreachable",
    "server": "server/wire server/connection server/commands server/ways_in server/rights server/cluster faults/slow_peers",
    "server/endpoint": "server/sentences server/connection server/watched server/tls server/sentinel",
    "server/endpoint/sentinel": "server/watched server/sentinel",
    "server/fence": "faults/frozen runs/runs",
    "server/globs": "formats/globs restore/selection/patterns search/patterns",
    "server/info": "server/facts server/connection server/watched faults/room",
    "server/pipeline": "server/batches server/expiry engines/typed engines/scan",
    "server/reading": "server/scanning server/keys server/batches engines/scan engines/typed formats/compare",
    "server/reading/dumps": "server/dumps server/keys server/batches server/scanning engines/scan formats/compare faults/damaged_replies",
    "server/reading/damage": "faults/damaged",
    "server/reading/expiry": "server/expiry engines/expiry engines/typed formats/compare",
    "server/replies": "server/wire restore/cut faults/cut_ faults/damaged",
    "server/rights": "server/rights",
    "server/scratch": "server/scratch restore/drill local",
    "server/slots": "server/cluster",
    "server/throttle": "server/pace",
    "storage": "storage/order storage/upload storage/members storage backups/export faults/read_only repository/index",
    "storage/cache": "storage/cache storage/remote",
    "storage/cloud": "storage/cloud storage/remote storage/members storage",
    "storage/interface": "storage/distant storage/members web/api/downloads storage",
    "storage/listing": "storage/listing storage/remote storage",
    "storage/owned": "repository/record_order repository/signatures repository/chain",
    "storage/rclone": "storage/rclone storage/sftp storage/members storage/webdav storage/drive",
    "storage/refusals": "storage/refusals storage/remote storage/trial cli/bad_storage",
    "storage/remote": "storage/upload storage/remote storage/killed storage",
    "storage/tempfiles": "faults/leftovers",
    "storage/trial": "storage/trial storage",
    "storage/upload": "storage/upload storage/following storage/remote storage/killed storage",
    "storage/versions": "storage/versions backups/versions storage/policy storage",
}
"""By the beginning of a module's path; the longest counts."""

ROOMS = tuple(name for name in TESTS if "/" not in name)


def run_for(module: str) -> tuple[str, ...]:
    """What pytest is given for a module, such as storage/local.py."""
    places = TESTS[max((start for start in TESTS if module.startswith(start)), key=len)]
    return tuple(dict.fromkeys(found for place in places.split() for found in _found(place)))


def _found(place: str) -> list[str]:
    folder, _, word = place.rpartition("/")
    if (ALL_TESTS / place).is_dir():
        # By their names: of a folder and a file in it pytest takes the folder alone, and what is to be soonest comes in its turn.
        return [f"tests/{path.relative_to(ALL_TESTS)}" for path in sorted((ALL_TESTS / place).rglob("test_*.py"))]
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
