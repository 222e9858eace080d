"""A value that is built takes its name only where nobody else has taken it meanwhile."""

from pathlib import Path

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
    client = source.client()
    client.rpush("list", "of", "the", "backup")
    client.sadd("set", "of", "the", "backup")
    take(source, tmp_path, format="json")
    wipe(source)
    line = wire_to(source)
    # It was not there when that was asked, and both values are whole by now.
    fault = line.call(Asked(b"PERSIST"), lambda: client.set("list", "mine"))
    settings = settings_for(source, tmp_path, redis_url=line.url)
    report = restore(settings, RestoreArguments(name="latest", mode="skip"), silent)
    assert fault.happened
    assert (client.get("list"), client.smembers("set")) == (b"mine", {b"of", b"the", b"backup"})
    assert (report["restored"], report["skipped"], report["failed"]) == (1, 1, 0)
    assert set(asking(source).execute_command("KEYS", "*")) == {b"list", b"set"}, "nothing is left of what was built"
