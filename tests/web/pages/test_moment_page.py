"""Any moment on its pages: it is typed in, previewed, and restored like a backup."""

from tests.support.backups import take
from tests.support.dashboard import Browser, Web
from tests.web.pages.given import queued
from tests.web.pages.reading import words


def test_a_moment_is_typed_in_and_previewed(web_app: Web, admin: Browser) -> None:
    take(web_app.source, web_app.storage)
    said = words(admin.get("/backups/@"))
    assert "Go back to a moment" in said
    assert "right before the last command of that name" in said
    asked = admin.post("/backups/@/preview", data={"moment": "before:FLUSHALL", "mode": "mirror"})
    assert asked.status_code == 303
    assert [(run.operation, run.arguments) for run in queued(web_app)] == [
        ("preview", {"name": "@before:FLUSHALL", "mode": "mirror"})
    ]


def test_what_is_no_moment_is_said_beside_what_was_typed(web_app: Web, admin: Browser) -> None:
    take(web_app.source, web_app.storage)
    answer = admin.post("/backups/@/preview", data={"moment": "yesterday", "mode": "overwrite"})
    assert answer.status_code == 400
    assert "'@yesterday' is no moment: write it as @2026-11-28T14:03:05 (UTC)" in words(answer)
    assert 'value="yesterday"' in answer.text


def test_a_moment_is_reviewed_and_its_place_typed_in_before_live_keys_are_overwritten(
    web_app: Web, admin: Browser
) -> None:
    take(web_app.source, web_app.storage)
    review = admin.post("/backups/@offset:14203/review", data={"mode": "overwrite"})
    said = words(review)
    assert "A moment of the source, made from a backup and what it has sent since" in said
    assert "Type @offset:14203 to overwrite live keys with it" in said
    refused = admin.post("/backups/@offset:14203/restore", data={"mode": "overwrite", "confirm": "something"})
    assert refused.status_code == 400
    assert "type @offset:14203 to overwrite live keys with it" in words(refused)
    done = admin.post("/backups/@offset:14203/restore", data={"mode": "overwrite", "confirm": "@offset:14203"})
    assert done.status_code == 303
    assert [(run.operation, run.arguments) for run in queued(web_app)] == [
        ("restore", {"name": "@offset:14203", "mode": "overwrite"})
    ]
    changed = admin.post("/backups/@offset:14203/review", data={"mode": "overwrite", "change": "on"})
    assert 'value="offset:14203"' in changed.text
