"""A value that is built takes its name only where nobody else has taken it meanwhile."""

from pathlib import Path
from typing import Any

from tests.faults.fixtures import WireTo
from tests.faults.moments import Asked
from tests.support.backups import asking, settings_for, take, wipe
from tests.support.servers import Server
from worker.arguments.restore import RestoreArguments
from worker.progress import silent
from worker.restore.restore import restore


def test_a_key_that_somebody_makes_while_its_value_is_built_is_left_alone(
    source: Server, wire_to: WireTo, tmp_path: Path
) -> None:
    client: Any = source.client()
    client.rpush("list", "of", "the", "backup")
    client.sadd("set", "of", "the", "backup")
    take(source, tmp_path, format="json")
    wipe(source)
    line = wire_to(source)
    there: list[bytes] = []

    def make() -> None:
        there.extend(client.keys())
        client.set("list", "mine")

    # The first is a question, whether it is allowed. With the second a value that is whole takes its name.
    fault = line.call(Asked(b"PERSIST", nth=2), make)
    settings = settings_for(source, tmp_path, redis_url=line.url)
    report = restore(settings, RestoreArguments(name="latest", mode="skip"), silent)
    assert fault.happened
    assert there, "a value that is built"
    assert all(key.startswith(b"redis_backup:") for key in there), "whoever asked found neither name taken"
    assert (client.get("list"), client.smembers("set")) == (b"mine", {b"of", b"the", b"backup"})
    assert (report["restored"], report["skipped"], report["failed"]) == (1, 1, 0)
    assert set(asking(source).execute_command("KEYS", "*")) == {b"list", b"set"}, "nothing is left of what was built"
