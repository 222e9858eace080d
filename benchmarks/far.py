"""Ten thousand backups in a bucket that answers each request after 20 ms, signed by another machine: what a list of them takes."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.answering import BUCKET, PREFIX
from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.data import Shape
from benchmarks.place import PYTHON, ROOT, Place
from benchmarks.results import Round, Row
from benchmarks.servers import Server
from benchmarks.timing import FailedError, end_group, timed
from worker.config.settings import load
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.storage import open_storage

COUNT, MILLISECONDS = 10_000, 20
COLD, AGAIN = "python -m worker list, of a bucket", "the list of a bucket again, in one process"
DATA = "10k backups far away"
STORAGE = f"s3://{BUCKET}/{PREFIX.rstrip('/')}"


def run(place: Place, source: Server, manifest: Manifest, rounds: int) -> list[Row]:
    """Compete; nothing is kept from one round to the next."""
    place.told(f"making {COUNT:,} backups far away")
    with _answering(place, manifest) as port:
        state = place.new_folder("far")

        def environment() -> dict[str, str]:
            shutil.rmtree(state)
            state.mkdir()
            keys = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "a-secret", "AWS_REGION": "us-east-1"}
            ours = {"BACKUP_CACHE": str(state / "cache"), "BACKUP_STATE": str(state / "state")}
            endpoint = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
            return place.environment(source, STORAGE, **keys, **ours, **endpoint)

        def cold() -> Outcome:
            return Outcome(timed([*PYTHON, "list"], place.folder, env=environment()))

        def again() -> Outcome:
            output = state.with_suffix(".said")
            took = timed([sys.executable, "-m", "benchmarks.far"], place.folder, env=environment(), output=output)
            return Outcome(Round(seconds=float(output.read_text()), peak=took.peak))

        shape = Shape(
            DATA, f"{COUNT:,} backups in a bucket that answers after {MILLISECONDS} ms", COUNT, lambda: iter(())
        )
        contestants = [Contestant(COLD, "ours", cold), Contestant(AGAIN, "ours", again)]
        return contest("catalogue", shape, contestants, rounds, place.told)


@contextmanager
def _answering(place: Place, manifest: Manifest) -> Iterator[int]:
    """The port of a server, for a while."""
    like = place.new_folder("like") / "manifest.json"
    like.write_text(manifest.model_dump_json())
    command = [sys.executable, "-m", "benchmarks.answering", str(COUNT), str(MILLISECONDS)]
    with (
        like.open("rb") as given,
        subprocess.Popen(command, cwd=ROOT, stdin=given, stdout=subprocess.PIPE, start_new_session=True) as process,
    ):
        try:
            said = process.stdout.readline() if process.stdout else b""
            if not said:
                raise FailedError("The server of a bucket far away does not begin.")
            yield int(said)
        finally:
            end_group(process)


def looks() -> float:
    """Look twice: the seconds of the second look, which relies on nothing but what the first one has read."""
    storage = open_storage(load().backup_storage)
    catalogue.read(storage)
    began = time.perf_counter()
    catalogue.read(storage)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(looks())
