"""What somebody else has deleted from a bucket, or written over there: it is named on every page, and has a button."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.backups import manifest_of
from tests.support.bucket import S3
from tests.support.dashboard import Browser, Web
from tests.web.pages.given import given_to, queued
from tests.web.pages.reading import read
from worker.config.settings import load, load_web
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX
from worker.storage.remote import Remote

NAME, OTHER = "redis_backup_20231205_143022.rdb", "redis_backup_20231206_143022.rdb"


@pytest.fixture
def kept(web_app: Web, admin: Browser, in_versions: Remote, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    """Two backups in the bucket of the dashboard."""
    monkeypatch.setenv("BACKUP_STORAGE", in_versions.place)
    load_web.cache_clear()
    load.cache_clear()
    for name in (NAME, OTHER):
        in_versions.put(name, b"content")
        catalogue.add(in_versions, manifest_of(name, b"content"))
    yield in_versions
    load_web.cache_clear()


def test_what_is_lost_is_on_the_summary_and_its_page_puts_it_back(
    web_app: Web, admin: Browser, kept: Remote, s3: S3
) -> None:
    assert "somebody else" not in read(admin, "/")
    s3.put(kept, NAME, b"CONTENT")
    for file in (OTHER, OTHER + MANIFEST_SUFFIX):
        s3.delete(kept, file)
    said, summary = read(admin, "/backups"), read(admin, "/")
    first = f"{NAME} was written over in {kept} by somebody else"
    assert first in said
    assert f"{OTHER} was deleted in {kept} by somebody else" in said
    assert "Somebody else has changed backups in the bucket" in summary
    assert first in summary
    assert "The Backups page names 1 more." in summary
    assert "Not everything in storage is a good backup" not in summary
    assert f'href="/backups/{NAME}"' in admin.get("/backups").text
    assert f"Type {NAME} to delete it" in read(admin, f"/backups/{NAME}")
    assert "to delete it" not in read(admin, f"/backups/{OTHER}"), "there is nothing to delete"
    for name in (NAME, OTHER):
        assert "It was " in read(admin, f"/backups/{name}")
        assert admin.post(f"/backups/{name}/put-back").status_code == 303
    assert sorted(given_to(run)["name"] for run in queued(web_app)) == [NAME, OTHER]
    answer: Any = web_app.with_token("read").get("/api/backup/list").json
    assert len(answer["problems"]) == 2
