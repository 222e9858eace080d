"""What befell a target meanwhile: by its own counters, whoever did it."""

import pytest

from tests.support.backups import asking
from tests.support.servers import Server
from worker.restore.target.aftermath import Watch
from worker.server.endpoint import TARGET, Endpoint

DATABASES = [0, 3]


def watch(server: Server) -> Watch:
    return Watch(Endpoint(server.url, TARGET), DATABASES)


def write(server: Server, number: int, db: int = 0, px: int | None = None) -> None:
    for place in range(number):
        server.client(db).set(f"key:{place}", "x", px=px)


@pytest.mark.parametrize("hasty", [False, True])
def test_where_all_is_there_nothing_is_gone(hasty: bool, target: Server) -> None:
    write(target, 2, db=5)
    watching = watch(target)
    write(target, 4)
    write(target, 3, db=3)
    found = watching.look(7, hasty=hasty)
    assert (found.before, found.after, found.gone, found.evicted, found.wiped, found.excess) == (2, 9, 0, 0, None, 0)


def test_what_others_delete_is_gone_and_keys_of_other_databases_do_not_stand_in_for_it(target: Server) -> None:
    watching = watch(target)
    write(target, 5)
    write(target, 9, db=7)
    target.client().delete("key:0", "key:1")
    assert watching.look(5).gone == 2


def test_where_nothing_is_left_all_of_it_is_gone(target: Server) -> None:
    """A server without a key says nothing of its databases, and is asked for each."""
    watching = watch(target)
    write(target, 5)
    target.client().delete(*(f"key:{place}" for place in range(5)))
    found = watching.look(5)
    assert (found.before, found.after, found.gone) == (0, 0, 5)


def test_a_user_who_may_not_count_is_told_of_nothing_gone(target: Server) -> None:
    asking(target).execute_command("ACL", "SETUSER", "half", "on", ">pw", "~*", "+@all", "-dbsize")
    watching = Watch(Endpoint(target.url.replace("//", "//half:pw@"), TARGET), DATABASES)
    assert watching.look(5).gone == 0


def test_what_has_expired_by_itself_is_not_gone(target: Server) -> None:
    watching = watch(target)
    write(target, 1, db=3)
    write(target, 3, px=1)
    client = target.client()
    while client.exists("key:0", "key:1", "key:2"):
        pass
    assert watching.look(4).gone == 0


def test_who_emptied_it_is_told(target: Server) -> None:
    write(target, 3)
    watching = watch(target)
    write(target, 4, db=3)
    target.client().flushall()
    found = watching.look(4)
    assert found.wiped is not None
    assert (found.before, found.after, found.gone) == (3, 0, 4)


def test_keys_that_it_threw_out_are_counted_from_then_on(target: Server) -> None:
    client = target.client()
    client.config_set("maxmemory", client.info("memory")["used_memory"] + 2_000_000)

    def fill(first: int, last: int) -> int:
        """How many it has thrown out then; it throws out no more until the next time."""
        client.config_set("maxmemory-policy", "allkeys-random")
        for place in range(first, last):
            client.set(f"big:{place}", "x" * 100_000)
        client.config_set("maxmemory-policy", "noeviction")
        return int(client.info("stats")["evicted_keys"])

    before = fill(0, 40)
    watching = watch(target)
    assert watching.evicted == before > 0
    after = fill(40, 60)
    found = watching.look(20)
    assert found.evicted == after - before > 0
    assert found.gone == 0, "what was evicted is told as that"
