"""What live traffic feels: redis-benchmark alone, and beside whatever else reads or writes the same server."""

import csv
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.loaded import Loaded
from benchmarks.made import Backup
from benchmarks.place import PYTHON, bash
from benchmarks.results import Round, Row
from benchmarks.servers import Server, tool
from benchmarks.timing import FailedError, end_group, timed

ALONE = "redis-benchmark alone"
BESIDE = {
    "beside a scan backup": ("backup", "--engine", "scan"),
    "beside a preview": ("preview", "NAME", "--mode", "overwrite"),
    "beside an overwrite restore": ("restore", "NAME", "--mode", "overwrite", "--yes"),
    "beside a replication backup": ("backup", "--engine", "replication"),
}
BESIDE_PEER = "beside redis-cli --rdb - | gzip"
VISITED = "beside visits every 5 seconds"
_VISITS = ("-m", "benchmarks.visiting", "--every", "5")
_BACKLOG = 1 << 30
BUSY = "beside a busy loop"
"""One processor taken, and no question asked: what of it all is the machine's, and not Redis'."""
# redis-benchmark's own number of clients, as fast as they can; and one alone, who has to wait for nobody else's.
CLIENTS = (50, 1)
HEAD_START_SECONDS = 0.3
"""For the traffic: in life it is there before a verb begins."""
PATIENCE_SECONDS = 10
OUR_KEYS = "our keys/s"
"""The keys that a verb got done meanwhile, by the server's own count of what it was asked for."""


def figure(percentile: str, clients: int, command: str) -> str:
    """How a figure is named, in milliseconds."""
    return f"{percentile} {command} {clients}"


def run(loaded: Loaded, backup: Backup, rounds: int, requests: int) -> list[Row]:
    """Measure in turn, on one server that has the data and whatever redis-benchmark writes besides."""
    with loaded.place.server(loaded.rdb) as server:
        measure = partial(_measured, loaded, server, requests)
        beside = partial(_beside, measure, folder=loaded.place.folder)
        needs = ("redis-benchmark",)
        found = [
            Contestant(ALONE, "floor", lambda: measure(_nothing()), needs),
            Contestant(BUSY, "peer", partial(beside, [sys.executable, "-c", "while True: pass"]), needs),
        ]
        for name, words in BESIDE.items():
            command = [*PYTHON, *(backup.manifest.name if word == "NAME" else word for word in words)]
            env = loaded.place.environment(server, backup.storage, BACKUP_UNDO_DAYS="0")
            found.append(Contestant(name, "ours", partial(beside, command, env=env), needs))
        # As many writes as redis-benchmark makes are more than a backlog of the usual size holds.
        server.ask("CONFIG", "SET", "repl-backlog-size", _BACKLOG)
        env = loaded.place.environment(
            server, backup.storage, BACKUP_STREAM_FOLDER=str(loaded.place.folder / "visited")
        )
        found.append(Contestant(VISITED, "ours", partial(beside, [sys.executable, *_VISITS], env=env), needs))
        piped = [bash(), "-c", f"{tool('redis-cli')} -p {server.port} --rdb - | gzip > /dev/null"]
        found.append(Contestant(BESIDE_PEER, "peer", partial(beside, piped), (*needs, "redis-cli", "gzip")))
        return contest("traffic", loaded.shape, found, rounds, loaded.place.told)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


Measure = Callable[[AbstractContextManager[None]], Outcome]


def _beside(measure: Measure, command: list[str], *, folder: Path, env: dict[str, str] | None = None) -> Outcome:
    return measure(_again_and_again(command, folder, env))


@contextmanager
def _again_and_again(command: list[str], folder: Path, env: dict[str, str] | None) -> Iterator[None]:
    """Run a command in a moment, and again when it is done, until the end. FailedError where it did not work."""
    over, quiet = threading.Event(), subprocess.DEVNULL
    running: list[subprocess.Popen[bytes]] = []
    codes: list[int] = []

    def go_on() -> None:
        over.wait(HEAD_START_SECONDS)
        while not over.is_set() and not any(codes):
            running.append(
                subprocess.Popen(
                    command, env=env, cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
                )
            )
            code = running[-1].wait()
            codes.append(0 if over.is_set() else code)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # Asked first: a verb that is killed keeps its lock for a minute, and the next one would find it busy.
        while thread.is_alive():
            for process in running[-1:]:
                _ask_to_end(process)
            thread.join(PATIENCE_SECONDS)
            for process in running[-1:]:
                end_group(process)
    if any(codes):
        raise FailedError(f"{' '.join(command[-4:])} did not work beside the traffic")


def _ask_to_end(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def _measured(loaded: Loaded, server: Server, requests: int, beside: AbstractContextManager[None]) -> Outcome:
    with beside:
        total, figures, before = Round(seconds=0), {}, _our_keys(server)
        for clients in CLIENTS:
            took, table = _benchmark(loaded, server, clients, requests if clients > 1 else requests // 10)
            total.seconds += took.seconds
            for line in csv.DictReader(io.StringIO(table)):
                for percentile in ("p50", "p99"):
                    name = figure(percentile, clients, line["test"])
                    figures[name] = float(line[f"{percentile}_latency_ms"])
                figures[figure("requests/s", clients, line["test"])] = float(line["rps"])
    figures[OUR_KEYS] = (_our_keys(server) - before) / total.seconds
    total.figures = figures
    return Outcome(total)


def _our_keys(server: Server) -> int:
    """Dumped or restored, since the server's start: redis-benchmark asks for neither."""
    with server.client() as client:
        told: Any = client.info("commandstats")
    return sum(told.get(f"cmdstat_{command}", {}).get("calls", 0) for command in ("dump", "restore"))


def _benchmark(loaded: Loaded, server: Server, clients: int, requests: int) -> tuple[Round, str]:
    output = loaded.place.folder / "traffic.csv"
    words = f"-p {server.port} -c {clients} -n {requests} -r 100000 -d 100 -t get,set --csv"
    took = timed([str(tool("redis-benchmark")), *words.split()], loaded.place.folder, output=output)
    return took, output.read_text()
