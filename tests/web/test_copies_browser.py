"""Copies as somebody with a browser has them: a real worker, a folder and a bucket beside home, and what befalls them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.conftest import StartServer
from tests.copies.given import folder, names
from tests.support.browser import WAIT_MILLISECONDS, Visitor, chromium
from tests.support.bucket import S3
from tests.support.dashboard import HOSTILE
from tests.support.processes import CELERY, Background, environment, eventually
from tests.support.servers import Binary, Server, free_port
from tests.web.house import PASSWORD
from tests.web.test_browser import ends
from worker.storage.local import Folder
from worker.storage.remote import Remote

pytestmark = pytest.mark.slow


@pytest.fixture
def house(
    newest: Binary, start_server: StartServer, s3: S3, in_s3: Remote, tmp_path: Path
) -> Iterator[tuple[Visitor, Server, Folder, Folder]]:
    """Somebody who has logged in, the source, home and the folder of copies; the bucket is `in_s3`."""
    broker, source, port = start_server(newest), start_server(newest), free_port()
    source.client().mset({"name": "Ann", HOSTILE: "x"})
    home, nas = folder(tmp_path / "backups"), folder(tmp_path / "nas")
    env = environment(
        REDIS_URL=source.url,
        CELERY_BROKER_URL=broker.url,
        CELERY_RESULT_BACKEND=broker.url[:-1] + "1",
        BACKUP_STORAGE=str(home),
        BACKUP_COPIES=f"{nas}, {in_s3}",
        BACKUP_CACHE=str(tmp_path / "cache"),
        SESSION_SECRET="0123456789abcdef" * 2,
    )
    secrets = {"PORT": str(port), "ADMIN_PASSWORD": PASSWORD}
    worker = Background(*CELERY, "worker", "--concurrency", "2", env=env, cwd=tmp_path, name="worker", forked=False)
    web = Background(sys.executable, "-m", "web", env=env | secrets, cwd=tmp_path, name="web", forked=False)
    try:
        worker.wait_until_it_says("ready.")
        web.wait_until_it_says(f":{port}")
        with chromium() as browser:
            visitor = Visitor(browser, f"http://127.0.0.1:{port}")
            visitor.logs_in(PASSWORD)
            yield visitor, source, home, nas
            visitor.leaves()
    finally:
        web.stop()
        worker.stop()


def stands(visitor: Visitor, name: str, where: object, words: str) -> Locator:
    """The row of that storage on the page of the backup, once it says so."""

    def said() -> bool:
        text: str = visitor.opens(f"/backups/{name}").locator(".lies tr", has_text=str(where)).inner_text()
        return words in text

    eventually(said, f"{words} of {where}", 100)
    return visitor.page.locator(".lies tr", has_text=str(where))


def test_a_backup_is_copied_missed_copied_again_and_brought_back_from_the_copy(
    house: tuple[Visitor, Server, Folder, Folder], in_s3: Remote, s3: S3
) -> None:
    visitor, source, home, nas = house
    page = visitor.page
    page.get_by_role("button", name="Back up now").click()
    ends(visitor)
    (name,) = names(home)
    for where in (home, nas, in_s3):
        stands(visitor, name, where, "There")
    assert (names(nas), names(in_s3)) == ([name], [name])
    for file in s3.keys(in_s3):
        s3.delete(in_s3, file)
    row = stands(visitor, name, in_s3, "Missing")
    button = row.get_by_role("button", name=f"Copy again: {name} to {in_s3}")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/backups/*#where")
    stands(visitor, name, in_s3, "There")
    assert names(in_s3) == [name]
    (home.path / name).unlink()
    source.client().delete("name")
    stands(visitor, name, home, "Not whole")
    page.get_by_label("Restore from").select_option(str(in_s3))
    page.get_by_role("button", name="Preview").click()
    ends(visitor)
    page.get_by_role("button", name="Restore exactly this").click()
    ends(visitor)
    assert source.client().get("name") == b"Ann"
    expect(page.get_by_role("heading", level=1)).to_have_text("Restore", timeout=WAIT_MILLISECONDS)
