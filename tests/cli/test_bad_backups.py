"""Names that are none, backups that are broken, and files that are no backups."""

import json
from collections.abc import Callable

import pytest

from tests.cli.house import House
from tests.support.backups import take
from worker.repository import catalogue
from worker.repository.manifest import to_json
from worker.storage.local import Folder

UNKNOWN = "redis_backup_20010203_040506.rdb.zst"
NAMES = [(verb, name) for verb in ("restore", "verify", "delete") for name in (UNKNOWN, "../../etc/passwd")]


@pytest.mark.parametrize(("verb", "name"), [*NAMES, ("restore", "nonsense"), ("restore", ".."), ("delete", "latest")])
def test_a_name_that_is_none_is_not_found(verb: str, name: str, house: House) -> None:
    house.refuses(verb, name, words="There is no backup of the name")


@pytest.mark.parametrize("name", [UNKNOWN, "nowhere/dump.rdb"])
def test_an_export_of_what_is_not_there_is_not_found(name: str, house: House) -> None:
    house.refuses("export", name, words="There is no backup of the name")


def _empty(house: House) -> None:
    house.artifact.write_bytes(b"")


def _cut(house: House) -> None:
    house.artifact.write_bytes(house.artifact.read_bytes()[:-9])


def _flipped(house: House) -> None:
    content = bytearray(house.artifact.read_bytes())
    content[len(content) // 2] ^= 1
    house.artifact.write_bytes(content)


def _longer(house: House) -> None:
    house.artifact.write_bytes(house.artifact.read_bytes() + b"x")


def _foreign(house: House) -> None:
    house.artifact.write_bytes(b"\x89PNG" * (house.artifact.stat().st_size // 4 + 1))


def _manifest_alone(house: House) -> None:
    house.artifact.unlink()


def _artifact_alone(house: House) -> None:
    house.manifest.unlink()


def _broken_manifest(house: House) -> None:
    house.manifest.write_bytes(house.manifest.read_bytes()[:-20])


def _manifest_of_another(house: House) -> None:
    other = catalogue.get(Folder(house.shell.storage), house.name).model_copy(update={"name": UNKNOWN})
    house.manifest.write_bytes(to_json(other))


def _link(house: House) -> None:
    house.artifact.rename(house.folder / "elsewhere")
    house.artifact.symlink_to(house.folder / "elsewhere")


BROKEN: dict[str, tuple[Callable[[House], None], str]] = {
    "empty": (_empty, "cut short: 0 bytes"),
    "cut": (_cut, "cut short: "),
    "flipped": (_flipped, "has changed since it was written"),
    "longer": (_longer, "longer than it was"),
    "foreign": (_foreign, "longer than it was|has changed"),
    "a manifest alone": (_manifest_alone, "no file|missing"),
    "an artifact alone": (_artifact_alone, "has no manifest, so it is no backup: take it in with"),
    "of a broken manifest": (_broken_manifest, "manifest of .* is damaged"),
    "of another's manifest": (_manifest_of_another, "describes another backup"),
    "a link": (_link, "something else of that name"),
}

VERIFIED = [("verify", what) for what in ("cut", "flipped", "a manifest alone")]


@pytest.mark.parametrize(("verb", "what"), [*(("restore", what) for what in BROKEN), *VERIFIED])
def test_a_backup_is_refused_that_is(what: str, verb: str, house: House) -> None:
    spoil, words = BROKEN[what]
    spoil(house)
    house.source.client().delete("key:7")
    house.refuses(verb, house.name, words=words)


def test_a_list_tells_of_what_is_broken_and_shows_the_rest(house: House) -> None:
    good = take(house.source, house.shell.storage)["name"]
    _cut(house)
    listed = house.run("list", "--json")
    assert listed.code == 0
    assert [one["name"] for one in listed.data["backups"]] == [good]
    assert [problem for problem in listed.data["problems"] if house.name in problem]
    assert house.run("list").err.startswith("Note: The artifact ")


def test_latest_passes_over_what_is_broken(house: House) -> None:
    newer = take(house.source, house.shell.storage)["name"]
    (house.shell.storage / newer).write_bytes(b"")
    assert house.run("restore", "latest", "--json").data["name"] == house.name


FOREIGN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is empty"),
    "cut": (lambda dump: dump[:-5], "cut short"),
    "flipped": (lambda dump: dump[:200] + bytes([dump[200] ^ 1]) + dump[201:], ""),
    "longer": (lambda dump: dump + b"more", ""),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" * 40, "neither an RDB dump nor a portable JSON"),
    "other JSON": (lambda _: json.dumps({"name": "something else"}).encode(), ""),
}


@pytest.mark.parametrize(("verb", "what"), [*(("adopt", what) for what in FOREIGN), ("export", "cut")])
def test_a_file_is_not_taken_in_that_is(what: str, verb: str, house: House) -> None:
    change, words = FOREIGN[what]
    house.source.client().save()
    (file := house.folder / "dump.rdb").write_bytes(change((house.source.folder / "dump.rdb").read_bytes()))
    house.refuses(verb, str(file), words=words)
    assert not (house.folder / "dump.json.gz").exists()


@pytest.mark.parametrize(("path", "words"), [("nowhere.rdb", "There is no file"), (".", "cannot be read")])
def test_what_is_no_file_is_not_adopted(path: str, words: str, house: House) -> None:
    house.refuses("adopt", path, words=words)
