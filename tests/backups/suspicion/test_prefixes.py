"""Keys of one prefix that went missing while about as many keys are there."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backups.suspicion.test_judge import HALF, made
from tests.conftest import StartServer
from tests.support.age_keys import age_pair
from tests.support.backups import settings_for
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.backups.suspicion.judge import AGREEING, Thresholds, judge
from worker.config.settings import Settings
from worker.formats.prefixes import Prefixes
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import Manifest, from_json, to_json
from worker.storage.local import Folder


def holding(hours: float, counts: dict[str, int], *, signer: str | None = None, **how: Any) -> Manifest:
    """A backup of a thousand keys that was made so many hours ago."""
    return made(hours, prefixes=Prefixes(counts=counts, **how), signer=signer)


USUAL = [holding(hours, {"user:": 600, "session:": 400}) for hours in range(1, 12)]
WORDS = "Keys are missing by how their names begin: "


def test_a_prefix_that_vanished_while_another_grew_is_told_with_both_numbers() -> None:
    fell = judge(holding(0, {"user:": 1000}), USUAL, HALF)
    assert fell == (f"{WORDS}`session:` fell from 400 keys to 0.",)
    assert judge(holding(0, {"user:": 801, "session:": 199}), USUAL, HALF) == (
        f"{WORDS}`session:` fell from 400 keys to 199.",
    )
    assert judge(holding(0, {"user:": 800, "session:": 200}), USUAL, HALF) == ()
    assert judge(holding(0, {"user:": 1000}), USUAL, Thresholds(keys=100)) == ()


def test_an_application_that_calls_its_keys_otherwise_is_suspicious_until_three_more_agree() -> None:
    history = [*USUAL]
    for number in range(AGREEING + 2):
        new = holding(-number, {"people:": 600, "session:": 400})
        fell = judge(new, history, HALF)
        assert bool(fell) == (number < AGREEING), number
        history.append(new.model_copy(update={"suspicious": fell}))


def test_by_a_sample_numbers_are_about_right_and_what_is_not_listed_has_a_bound() -> None:
    before = [holding(1, {"user:": 51_437, "cart:": 5999}, exact=False)]
    (sentence,) = judge(holding(0, {"cart:": 1400}, others=233, exact=False), before, HALF)
    assert sentence == (
        f"{WORDS}`user:` fell from about 51,000 keys to at most about 230, `cart:` fell from about 6,000 keys to about 1,400."
    )
    (sentence,) = judge(holding(0, {}, exact=False), before[:1], HALF)
    assert "`user:` fell from about 51,000 keys to none, or hardly any" in sentence
    assert judge(holding(0, {}, others=30_000, exact=False), [holding(1, {"user:": 51_437})], HALF) == ()


def test_only_the_largest_are_named_and_digits_are_explained() -> None:
    before = [holding(1, {f"{letter}#:": 240 - place for place, letter in enumerate("abcde")})]
    (sentence,) = judge(holding(0, {}), before, HALF)
    assert sentence == (
        f"{WORDS}`a#:` fell from 240 keys to 0, `b#:` fell from 239 keys to 0, `c#:` fell from 238 keys to 0, and 2 more prefixes "
        "fell (# stands for digits)."
    )


def test_what_comes_and_goes_is_small_or_was_never_counted_is_no_loss() -> None:
    new = holding(0, {"user:": 1000})
    assert judge(new, [*USUAL[:5], holding(6, {"user:": 1000})], HALF) == ()
    assert judge(new, [holding(1, {"user:": 901, "session:": 99})], HALF) == ()
    assert (
        judge(made(0, 5000, prefixes=Prefixes(counts={})), [made(1, 5000, prefixes=Prefixes(counts={"a:": 249}))], HALF)
        == ()
    )
    assert judge(new, [made(1), made(2)], HALF) == ()
    assert judge(made(0), USUAL, HALF) == ()
    assert (
        judge(made(0, 90, prefixes=Prefixes(counts={})), [made(1, 99, prefixes=Prefixes(counts={"a:": 99}))], HALF)
        == ()
    )


def test_of_encrypted_ones_it_is_said_how_many_fell_and_only_one_machine_s_are_compared() -> None:
    before = [holding(1, {"c0": 600, "ff": 400}, hashed=True, signer="a")]
    assert judge(holding(0, {"c0": 1000}, hashed=True, signer="a"), before, HALF) == (
        f"{WORDS}1 of its 2 largest prefixes fell. It is encrypted, so no names are kept beside it.",
    )
    assert judge(holding(0, {"c0": 1000}, hashed=True, signer="b"), before, HALF) == ()
    assert judge(holding(0, {"user:": 1000}, signer="a"), before, HALF) == ()


COUNTS = st.dictionaries(st.sampled_from(["a:", "b:", "c:"]), st.integers(0, 5000))


@given(COUNTS, st.lists(COUNTS, min_size=1, max_size=12), st.booleans())
def test_it_is_never_suspicious_by_prefixes_where_none_fell_by_more_than_half(
    new: dict[str, int], before: list[dict[str, int]], exact: bool
) -> None:
    earlier = [holding(hours, counts, exact=exact) for hours, counts in enumerate(before, 1)]
    risen = {name: max(number, *(counts.get(name, 0) for counts in [*before, {}]), 0) for name, number in new.items()}
    for counts in before:
        risen |= {name: max(number, risen.get(name, 0)) for name, number in counts.items()}
    assert judge(holding(0, risen, exact=exact), earlier, HALF) == ()
    assert judge(holding(0, {}, others=2500, exact=exact), earlier, HALF) == ()


def test_a_manifest_without_prefixes_is_read_as_before_and_none_but_a_signed_one_has_them() -> None:
    backup_ = holding(1, {"user:": 3})
    assert b"prefixes" not in to_json(backup_)
    assert from_json(backup_.name, to_json(backup_)).prefixes is None


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    started = start_server(newest)
    started.client().mset(
        {f"user:{number}": "x" for number in range(600)} | {f"Session:{number}": "x" for number in range(400)}
    )
    return started


def taken(settings: Settings, **arguments: Any) -> Manifest:
    return Manifest.model_validate(backup(settings, BackupArguments(**arguments), silent))


def lose_sessions(server: Server) -> None:
    """As many keys as before are there, and nearly as many bytes."""
    client = server.client()
    client.delete(*client.keys("Session:*"))
    client.mset({f"user:{number}:more": "x" for number in range(400)})


@pytest.mark.parametrize("engine", ["replication", "scan"])
def test_a_server_that_lost_what_one_application_had_makes_a_suspicious_backup(
    engine: str, server: Server, tmp_path: Path
) -> None:
    settings = settings_for(server, tmp_path / "backups")
    good = taken(settings, engine=engine)
    assert good.prefixes == Prefixes(counts={"user:": 600, "Session:": 400})
    assert taken(settings, engine=engine).suspicious == ()
    lose_sessions(server)
    fallen = taken(settings, engine=engine)
    assert fallen.suspicious == (f"{WORDS}`Session:` fell from 400 keys to 0.",)
    noted = catalogue.read(Folder(tmp_path / "backups")).listed[0]
    assert (noted.suspicious, noted.prefixes) == (fallen.suspicious, Prefixes(counts={"user:": 1000}))


def test_beside_an_encrypted_backup_no_name_is_kept_and_the_loss_is_noticed(server: Server, tmp_path: Path) -> None:
    settings = settings_for(server, tmp_path / "backups", backup_age_recipients=age_pair(tmp_path).recipient)
    good = taken(settings)
    assert good.prefixes is not None
    assert (good.prefixes.hashed, sorted(good.prefixes.counts.values())) == (True, [400, 600])
    lose_sessions(server)
    assert taken(settings).suspicious == (
        f"{WORDS}1 of its 2 largest prefixes fell. It is encrypted, so no names are kept beside it.",
    )
    files = [path for path in (tmp_path / "backups").rglob("*") if path.is_file()]
    assert len(files) > 4
    assert not any(b"Session" in path.read_bytes() for path in files)
