"""The table of promises, I1 to I13: what is left at the end is looked at, and what breaks one is said in a line."""

import contextlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.soak import hearing
from tests.soak.stage import CHANGING_DB, Stage, settings_of
from tests.soak.traffic import PAIRS, Asker, Watcher, sha256
from tests.support.backups import files
from tests.support.processes import CANARY, eventually
from tests.support.servers import Server
from tests.support.states import differences, state
from worker.arguments.restore import RestoreArguments
from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import INDEX_SUFFIX, MANIFEST_SUFFIX, Manifest
from worker.repository.notes import NOTES_SUFFIX
from worker.restore.restore import restore
from worker.runs.run import FINAL, Run
from worker.runs.store import open_runs
from worker.storage.local import Folder

SECONDS_TO_END = 90
WORKER_BYTES = 300 << 20
"""A process of a worker needs about 100 MB; with what is shared counted to each of them, and room for doubt."""
SENTENCE = re.compile(r"[A-Z][^\n]*[.?]")
ENCRYPTED = b"age-encryption.org/"


@dataclass
class Evidence:
    """What is known at the end of a soak, once the faults are over."""

    stage: Stage
    asker: Asker
    watcher: Watcher
    largest: dict[str, int]
    """By the name of a process of ours the bytes of memory that it had at the most."""
    over: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the last fault was."""
    runs: list[Run] = field(default_factory=list)
    settled: bool = False
    """Whether all runs had ended in time."""
    heard: bool = False
    """Whether all that was to be told came in time."""


@dataclass(frozen=True)
class Promise:
    """One of them; what it finds broken is a line each."""

    number: str
    words: str
    broken: Callable[[Evidence], Iterator[str]]


def settle(evidence: Evidence) -> None:
    """Wait for every run that was asked for by now to end, no longer than is promised; beat goes on asking."""
    evidence.over = datetime.now(UTC)

    def ended() -> bool:
        with contextlib.suppress(BackupSystemError), open_runs(evidence.stage.settings) as runs:
            evidence.runs = list(runs.each())
            known = {run.id for run in evidence.runs}
            waiting = [one for one in evidence.asker.asked if one not in known and not _excused(evidence, one)]
            return not waiting and not list(_unfinished(evidence))
        return False

    with contextlib.suppress(AssertionError):
        evidence.settled = bool(eventually(ended, "all runs to end", SECONDS_TO_END))


def _unfinished(evidence: Evidence) -> Iterator[Run]:
    return (run for run in evidence.runs if run.state not in FINAL and run.queued_at <= evidence.over)


def _excused(evidence: Evidence, identity: str) -> bool:
    """Of a run that nobody knows: whether the broker forgot it, or never took it."""
    at = evidence.asker.asked[identity][1]
    return any(at <= emptied + 1 for emptied in evidence.stage.emptied) or identity in evidence.asker.refused


def every_listed_backup_restores(evidence: Evidence) -> Iterator[str]:
    stage = evidence.stage
    for where, folder in (("storage", stage.storage), ("copies", stage.copies)):
        settings = Settings(
            redis_url=stage.scratch.url,
            celery_broker_url="redis://127.0.0.1:1/0",
            backup_storage=str(folder),
            backup_undo_days=0,
            **stage.keys.settings,
        )
        for manifest in catalogue.read(Folder(folder)).backups:
            if manifest.kind == "backup":
                yield from (f"{manifest.name} in {where}: {line}" for line in _restored(stage, settings, manifest))


def _restored(stage: Stage, settings: Settings, manifest: Manifest) -> Iterator[str]:
    """What is wrong about a backup that is restored into the empty scratch server."""
    stage.scratch.client().flushall()
    try:
        restore(settings, RestoreArguments(name=manifest.name, mode="mirror"), silent)
    except BackupSystemError as error:
        yield str(error)
        return
    keys = sum(stage.scratch.client(db).dbsize() for db in (0, 3, CHANGING_DB))
    if keys != manifest.keys:
        yield f"{keys} keys came back of {manifest.keys}"
    if manifest.consistency == "point-in-time" and (torn := _torn(stage.scratch)):
        yield f"it is of more than one moment: {torn} pairs differ"
    stage.scratch.client(CHANGING_DB).flushdb()
    yield from differences(stage.ground, state(stage.scratch, times=False))


def _torn(server: Server) -> int:
    client: Any = server.client(CHANGING_DB)
    both = [client.mget(f"{side}:{number}" for number in range(PAIRS)) for side in ("one", "other")]
    return sum(one != other for one, other in zip(*both, strict=True))


def nothing_unfinished_is_listed(evidence: Evidence) -> Iterator[str]:
    stage = evidence.stage
    for where, looks in evidence.watcher.looks.items():
        yield from (f"{where}: {problem}" for problem in sorted(looks.problems))
        yield from (f"{where}: {name} was listed and is not what its manifest says" for name in sorted(looks.untrue))
    for where, folder in (("storage", stage.storage), ("copies", stage.copies)):
        found = catalogue.read(Folder(folder))
        yield from (f"{where}, at the end: {problem}" for problem in found.problems)
        names = [one.name for one in (*found.backups, *found.undos)]
        owned = {name + end for name in names for end in ("", MANIFEST_SUFFIX, NOTES_SUFFIX, INDEX_SUFFIX)}
        yield from (f"{where}: {name} was left" for name in files(folder) if name not in owned | {".lock"})


def what_was_good_is_unchanged(evidence: Evidence) -> Iterator[str]:
    stage = evidence.stage
    for where, folder in (("storage", stage.storage), ("copies", stage.copies)):
        for name, seen in evidence.watcher.looks[where].backups.items():
            for path, before in ((folder / name, seen.artifact), (folder / (name + MANIFEST_SUFFIX), seen.manifest)):
                with contextlib.suppress(FileNotFoundError):
                    if sha256(path) != before:
                        yield f"{where}: {path.name} has changed since it was listed"


def every_run_has_ended(evidence: Evidence) -> Iterator[str]:
    if evidence.settled:
        return
    known = {run.id: run for run in evidence.runs}
    for run in _unfinished(evidence):
        yield f"{run.operation} {run.id} of {run.queued_at:%H:%M:%S} is {run.state}: {run.error or run.progress}"
    for identity, (what, at) in evidence.asker.asked.items():
        if identity not in known and not _excused(evidence, identity):
            yield f"{what} {identity}, asked for {time.time() - at:.0f} s ago, is not known to anybody"


def one_commit_a_run(evidence: Evidence) -> Iterator[str]:
    made = [run for run in evidence.runs if run.operation == "backup" and run.state == "SUCCESS" and not run.skipped]
    names = Counter(run.value["name"] for run in made)
    yield from (f"{name} was made by {count} runs" for name, count in names.items() if count > 1)
    known, lost = set(names), [run for run in evidence.runs if run.operation == "backup" and run.state != "SUCCESS"]
    listed = set(evidence.watcher.looks["storage"].backups)
    undos = {one.name for one in catalogue.read(Folder(evidence.stage.storage)).undos}
    if not evidence.stage.emptied and (odd := len(listed - known - undos)) > len(lost) + _restores(evidence):
        yield f"{odd} backups were listed that no run says to have made, and {len(lost)} may have made one"
    told = Counter(
        (event["run"], event["event"])
        for process in evidence.stage.processes
        for event in process.events
        if event.get("event") in ("backup_made", "backup_restored", "restore_undone") and event.get("run")
    )
    yield from (f"run {run} was done {count} times: {event}" for (run, event), count in told.items() if count > 1)


def _restores(evidence: Evidence) -> int:
    return sum(run.operation == "restore" for run in evidence.runs)


def what_wrote_nothing_says_so(evidence: Evidence) -> Iterator[str]:
    yield from (f"the target was changed by what says that it wrote nothing: {line}" for line in evidence.asker.touched)


def failures_are_plain(evidence: Evidence) -> Iterator[str]:
    for run in evidence.runs:
        if run.state in ("FAILURE", "INTERRUPTED") and not SENTENCE.fullmatch(run.error or ""):
            yield f"{run.operation} {run.id} is {run.state} and says {run.error!r}"
    yield from (f"the password is in {where}" for where, text in _places(evidence) if CANARY in text)
    # What Celery says of a broker that is away has a traceback, within its line.
    for process in evidence.stage.processes:
        if plain := process.plain:
            yield f"{process.name} said {len(plain)} lines that are none of a log, such as {plain[0].strip()[:200]}"


def _places(evidence: Evidence) -> Iterator[tuple[str, str]]:
    yield from ((f"the log of {process.name}", process.said) for process in evidence.stage.processes)
    yield "what is remembered of the runs", "".join(run.model_dump_json() for run in evidence.runs)
    for db in (0, 1):
        client: Any = evidence.stage.broker.client(db)
        for key in client.scan_iter():
            value = client.get(key) if client.type(key) == b"string" else client.dump(key)
            yield f"the broker's {key.decode(errors='replace')}", (value or b"").decode("latin-1")


def servers_are_well(evidence: Evidence) -> Iterator[str]:
    stage = evidence.stage
    for name, server in (("source", stage.source), ("target", stage.target)):
        client: Any = server.client()
        # Whoever comes by the unix socket is the soak itself.
        others = [one for one in client.client_list() if "U" not in one["flags"]]
        yield from (f"the {name} still has a client, whose last command was {one['cmd']}" for one in others)
        info = client.info()
        if info["connected_slaves"] or info["rdb_bgsave_in_progress"] or info["role"] != "master":
            yield f"the {name} is {info['role']} with {info['connected_slaves']} replicas"
    after = settings_of(stage.target)
    for setting, before in stage.target_settings.items():
        if after.get(setting) != before:
            yield f"the target's {setting.decode()} is another one than before"


def no_plaintext_is_left(evidence: Evidence) -> Iterator[str]:
    stage = evidence.stage
    yield from (f"{path} was left" for path in sorted(stage.scraps.rglob("*")) if path.is_file())
    for folder in (stage.storage, stage.copies):
        for name in files(folder):
            if name.endswith(".age") and not (folder / name).read_bytes().startswith(ENCRYPTED):
                yield f"{name} is not encrypted"
            if re.search(r"\.(rdb|json|zst|gz)$", name) and not name.endswith((MANIFEST_SUFFIX, NOTES_SUFFIX)):
                yield f"{name} is not encrypted"


def bounds_are_kept(evidence: Evidence) -> Iterator[str]:
    for name, size in evidence.largest.items():
        if size > WORKER_BYTES:
            yield f"{name} had {size >> 20} MB, and {WORKER_BYTES >> 20} MB are its bound"


PROMISES = [
    Promise("I1", "every listed backup restores to the same data", every_listed_backup_restores),
    Promise("I2", "nothing unfinished was listed, and leftovers are gone", nothing_unfinished_is_listed),
    Promise("I3", "older good backups are unchanged", what_was_good_is_unchanged),
    Promise("I4", f"every run has ended within {SECONDS_TO_END} s of the last fault", every_run_has_ended),
    Promise("I5", "each run commits once", one_commit_a_run),
    Promise("I6", "a target is untouched where a run says that it wrote nothing", what_wrote_nothing_says_so),
    Promise("I7", "failures are plain sentences without a secret", failures_are_plain),
    Promise("I8", "source and target are well, and nobody is left at them", servers_are_well),
    Promise("I9", "no plaintext is left", no_plaintext_is_left),
    Promise("I10", "memory stays under its bound", bounds_are_kept),
    Promise(
        "I11",
        "each change of state is told once, and nothing that is to be told is lost",
        hearing.each_change_is_told_once,
    ),
    Promise("I12", "nothing older goes while a backup is suspicious", hearing.what_is_suspicious_protects),
    Promise("I13", "no drill of a good backup finds a difference", hearing.drills_find_the_same),
]
"""What is added here is checked, and stands in the report."""
