"""A run that could not be queued after all."""

from tests.runs.made import a_run
from worker.runs.store import Runs


def test_it_leaves_no_trace(memory: Runs) -> None:
    kept, forgotten = a_run(), a_run()
    assert all(map(memory.add, (kept, forgotten)))
    memory.forget(forgotten.id)
    assert memory.get(forgotten.id) is None
    assert [run.id for run in memory.each()] == [kept.id]
    assert [run.id for run in memory.unfinished()] == [kept.id]
    assert memory.add(forgotten), "nobody knows of it any more"
