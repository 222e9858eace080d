"""How much is asked for at once: what others hardly feel, and no less than gets on."""

import time
from collections.abc import Iterator
from itertools import count

import pytest

from tests.conftest import StartServer
from tests.support.backups import endpoint
from tests.support.servers import Binary
from worker.engines.database import GROUP_BYTES
from worker.engines.scan import Scan
from worker.engines.typed import Typed
from worker.server.reading.dumps import FIRST_KEYS
from worker.server.reading.keys import AHEAD, Keys


def test_batches_of_small_keys_grow_however_long_they_take(
    newest: Binary, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = start_server(newest)
    source.client().mset({f"key:{number}": "x" for number in range(300)})
    ten_seconds_later = count(step=10)
    monkeypatch.setattr(time, "perf_counter", lambda: next(ten_seconds_later))
    sizes = [len(batch) for batch in Scan(endpoint(source, hurried=True), [0]).batches()]
    assert sum(sizes) == 300
    assert max(sizes) > 4 * FIRST_KEYS


@pytest.mark.parametrize(("hurried", "ahead"), [(False, 1), (True, AHEAD)], ids=["gentle", "hurried"])
def test_beside_others_one_part_is_on_its_way_at_a_time(
    hurried: bool, ahead: int, newest: Binary, start_server: StartServer
) -> None:
    source = start_server(newest)
    taken: list[bytes] = []

    def parts() -> Iterator[tuple[int, list[bytes]]]:
        for number in range(2 * AHEAD):
            taken.append(b"key:%d" % number)
            yield 0, [taken[-1]]

    with Keys(endpoint(source, hurried=hurried)) as keys:
        found = keys.read_ahead(parts())
        assert next(found) == [None]
        assert len(taken) == ahead + 1
        assert sum(map(len, found)) == 2 * AHEAD - 1


@pytest.mark.parametrize("name", ["a:big", "z:big"])
def test_values_that_are_read_at_once_are_about_a_megabyte_together(
    name: str, newest: Binary, start_server: StartServer
) -> None:
    source = start_server(newest)
    third = GROUP_BYTES // 3
    values = {f"key:{number}": b"x" * third for number in range(9)} | {name: b"x" * 3 * GROUP_BYTES}
    source.client().mset(values)
    batches = [batch for batch in Typed(endpoint(source), [0]).batches() if batch]
    assert sum(map(len, batches)) == len(values)
    held = [[len(entry.value) for entry in batch if isinstance(entry.value, bytes)] for batch in batches]
    assert all(sum(sizes) <= GROUP_BYTES or len(sizes) == 1 for sizes in held)
    assert max(map(len, held)) == 3
