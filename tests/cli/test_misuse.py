"""Wrong settings, addresses and arguments: each is named, with the right exit code."""

import pytest

from tests.cli.house import House
from tests.support.processes import CANARY, listing
from tests.support.states import state

SETTINGS = {
    "BACKUP_FORMAT": "xml",
    "BACKUP_STORAGE": "ftp://somewhere/backups",
}


@pytest.mark.parametrize(
    "url",
    [
        "http://user:{}@host",
        "{}",
        "redis://",
        "redis://:{}@host:port",
        "redis://:{}@host:99999999",
        "redis:// :{}@host",
    ],
)
def test_a_url_that_is_none_names_the_setting_and_not_its_value(url: str, house: House) -> None:
    house.settings["REDIS_URL"] = url.format(CANARY)
    house.refuses("backup", code=2, words="The setting REDIS_URL is ")


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_wrong_setting_is_named(setting: str, house: House) -> None:
    house.settings[setting] = SETTINGS[setting]
    house.refuses("backup", code=2, words=f"The setting {setting} is wrong: ")


MISUSED = {
    "a format that does not exist": ("backup", "--format", "xml"),
    "an engine that does not go with the format": ("backup", "--engine", "typed", "--format", "rdb"),
    "a database that is no number": ("backup", "--db", "one"),
    "a mode that does not exist": ("restore", "latest", "--mode", "destroy"),
    "an empty glob": ("restore", "latest", "--match", ""),
    "nothing to keep": ("prune", "--keep", "0"),
    "no name": ("restore",),
    "a verb that does not exist": ("destroy",),
    "no verb": (),
}


@pytest.mark.parametrize("what", MISUSED)
def test_exit_code_2_is_for(what: str, house: House) -> None:
    before = (listing(house.shell.storage), state(house.source))
    ended = house.run(*MISUSED[what])
    assert ended.code == 2
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert (listing(house.shell.storage), state(house.source)) == before
