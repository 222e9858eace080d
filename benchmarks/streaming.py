"""The replication stream: what a visit costs, what a stream takes in storage, and how long it is until a moment is back."""

import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.loaded import Loaded
from benchmarks.results import WHOLE, Round, Row
from benchmarks.servers import Server
from benchmarks.timing import FailedError, timed

IDLE, LISTENED = "a visit with nothing new", "the age of what is at home, beside a listener"
FULL, MOMENT, REPLAY = "restore, mirror, of the base", "restore, mirror, of a moment", "the commands played"
BARE = "restore, mirror, of the base, made in a server as a moment is"
BACKLOG = 1 << 30
MILLION, SAMPLE, AT_ONCE = 1_000_000, 100_000, 500
"""Bytes in storage are those of a million writes, told by a sample."""
LISTEN_SECONDS, TIMES = 6, 30


class Streamed:
    """A server with the data, a backup by replication, and as many writes since as there were keys; all of them at home."""

    def __init__(self, loaded: Loaded, server: Server) -> None:
        self.loaded, self.server = loaded, server
        self.folder = loaded.place.new_folder("streamed")
        server.ask("CONFIG", "SET", "repl-backlog-size", BACKLOG)
        self.base = self.ours("backup")[1]
        self.ours("visit")
        _send(server, _mixed(loaded.shape.keys))
        outcome = self.ours("visit")[1]
        if outcome["gap"]:
            raise FailedError("The backlog did not hold the writes.")
        self.writes = outcome["commands"]
        """Some of them had nothing to do, and are no part of the stream."""
        self.offset, self.digest = outcome["to"], server.digest()

    @property
    def settings(self) -> dict[str, str]:
        """Of the stream."""
        return {"BACKUP_STREAM_FOLDER": str(self.folder / "stream"), "BACKUP_CACHE": str(self.folder / "cache")}

    def ours(self, *words: str, source: Server | None = None) -> tuple[Round, Any]:
        """A verb of the shell."""
        storage = self.folder / "backups"
        more = {} if source is None else {"REDIS_TARGETS": f"there={source.url}"}
        return self.loaded.place.ours(*words, source=self.server, storage=storage, **self.settings, **more)

    def asked(self, *words: str) -> Outcome:
        """What a process that visits has measured."""
        env = self.loaded.place.environment(self.server, self.folder / "backups", **self.settings)
        output = self.folder / "asked"
        took = timed([sys.executable, "-m", "benchmarks.visiting", *words], self.folder, env=env, output=output)
        return Outcome(Round(seconds=json.loads(output.read_text())["seconds"], peak=took.peak))

    def restored(self, name: str, digest: bytes) -> Outcome:
        """A mirror into an empty server, compared; made anew each time."""
        with self.loaded.place.server() as target:
            took = self.ours("restore", name, "--mode", "mirror", "--yes", "--to", "there", source=target)[0]
            return Outcome(took, WHOLE if target.digest() == digest else "it is not the same")


Command = tuple[bytes | str | int | float, ...]


def _json(chance: random.Random, number: int) -> Command:
    names = chance.choices(("order", "user", "basket", "visit"), k=4)
    content = {
        "id": number,
        "at": 1_700_000_000 + number,
        "kind": names[0],
        "tags": names,
        "amount": chance.randrange(10_000) / 100,
    }
    return "SET", f"doc:{chance.randrange(100_000)}", json.dumps(content | {"note": "x" * chance.randrange(100)})


def _session(chance: random.Random, _: int) -> Command:
    return "SET", f"session:{chance.randrange(100_000)}", chance.randbytes(250), "EX", 3600


def _counter(chance: random.Random, _: int) -> Command:
    return "INCR", f"counter:{chance.randrange(10_000)}"


def _field(chance: random.Random, _: int) -> Command:
    return "HSET", f"user:{chance.randrange(50_000)}", chance.choice(("seen", "name", "score")), chance.randrange(1000)


def _score(chance: random.Random, number: int) -> Command:
    return "ZADD", f"board:{chance.randrange(100)}", chance.random(), f"player:{number % 50_000}"


def _queue(_: random.Random, number: int) -> Command:
    return ("LPUSH", "queue", f"job {number}") if number % 2 else ("RPOP", "queue")


WORKLOADS: dict[str, Callable[[random.Random, int], Command]] = {
    "JSON": _json,
    "sessions": _session,
    "INCR": _counter,
    "HSET": _field,
    "ZADD": _score,
    "a queue": _queue,
}


def title(workload: str) -> str:
    """How a row of bytes is called."""
    return f"a million writes of {workload}"


def _mixed(number: int) -> Iterator[Command]:
    chance, kinds = random.Random(7), [*WORKLOADS.values()]  # noqa: S311 - the same each time
    return (chance.choice(kinds)(chance, turn) for turn in range(number))


def _send(server: Server, commands: Iterator[Command]) -> None:
    with server.client() as client:
        pipe = client.pipeline(transaction=False)
        for number, command in enumerate(commands, 1):
            pipe.execute_command(*command)
            if number % AT_ONCE == 0:
                pipe.execute()
        pipe.execute()


def run(loaded: Loaded, rounds: int) -> list[Row]:
    """Compete; the speed of playing is made of two of the rows."""
    with loaded.place.server(loaded.rdb) as server:
        streamed = Streamed(loaded, server)

        def moment(offset: int, digest: bytes) -> Outcome:
            shutil.rmtree(streamed.folder / "cache", ignore_errors=True)
            return streamed.restored(f"@offset:{offset}", digest)

        begin = int(streamed.base["source"]["replication_offset"])

        contestants = [
            Contestant(IDLE, "ours", lambda: streamed.asked("--times", str(TIMES))),
            Contestant(LISTENED, "ours", lambda: streamed.asked("--listen", str(LISTEN_SECONDS))),
            Contestant(FULL, "floor", lambda: streamed.restored(str(streamed.base["name"]), loaded.digest)),
            Contestant(BARE, "floor", lambda: moment(begin, loaded.digest)),
            Contestant(MOMENT, "ours", lambda: moment(streamed.offset, streamed.digest)),
        ]
        rows = contest("stream", loaded.shape, contestants, rounds, loaded.place.told)
        return [*rows, _played(rows, streamed.writes), *(_stored(streamed, name) for name in WORKLOADS)]


def _played(rows: list[Row], writes: int) -> Row:
    """What a moment takes longer than one without a command."""
    bare, moment = (next(row for row in rows if row.name == name) for name in (BARE, MOMENT))
    pairs = zip(bare.rounds, moment.rounds, strict=False)
    rounds = [Round(seconds=max(0.001, longer.seconds - shorter.seconds)) for shorter, longer in pairs]
    return moment.model_copy(update={"name": REPLAY, "rounds": rounds, "keys": writes, "stored": None})


def _stored(streamed: Streamed, workload: str) -> Row:
    """Bytes of the file that a sample makes, as a million would."""
    chance = random.Random(1)  # noqa: S311 - the same each time
    _send(streamed.server, (WORKLOADS[workload](chance, turn) for turn in range(SAMPLE)))
    files = (streamed.folder / "stream").glob("*/*")
    before = sum(path.stat().st_size for path in files)
    took = streamed.ours("visit")[0]
    after = sum(path.stat().st_size for path in (streamed.folder / "stream").glob("*/*"))
    shape = streamed.loaded.shape
    return Row(
        step="stream",
        data=shape.name,
        title=shape.title,
        keys=SAMPLE,
        name=title(workload),
        kind="ours",
        rounds=[took],
        stored=(after - before) * MILLION // SAMPLE,
    )
