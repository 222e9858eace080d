"""A look into a backup on its page: the tree, what leads down and back, and the document that may be downloaded."""

import json
from typing import Any

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.web.pages.given import ended, given_to, make_backup, queued
from tests.web.pages.reading import look_at, words
from web.wording.keys import befallen
from worker.arguments.questions import BrowseArguments
from worker.broker import audit
from worker.progress import silent
from worker.runs import values
from worker.search.browse import browse


def look(web: Web, admin: Browser, name: str, **arguments: Any) -> Any:
    """The page of a look that a worker has taken."""
    value = browse(web.settings, BrowseArguments(name=name, **arguments), silent)
    return look_at(web, admin, "browse", value, name=name, **arguments)


def test_the_tree_leads_down_to_each_key_and_back(web_app: Web, admin: Browser) -> None:
    web_app.source.client().mset({f"{HOSTILE}:1": "x", "user:7:mail": "y" * 500})
    name = make_backup(web_app)
    answer = admin.post(f"/backups/{name}/browse", data={"prefix": "user:", "db": "0"})
    assert answer.status_code == 303
    (run,) = queued(web_app)
    assert (run.operation, given_to(run)) == ("browse", {"name": name, "prefix": "user:", "db": 0})
    top = look(web_app, admin, name)
    assert 'name="prefix" value="user:"' in top.text
    assert "user: 21" in words(top)
    assert "All databases 0 3" in words(top)
    below = look(web_app, admin, name, prefix="user:", db=0)
    assert "All keys user:" in words(below)
    assert 'name="prefix" value="user:7:"' in below.text
    assert "20 keys that no further prefix holds" in words(below)
    assert 'aria-label="Value of user:7:mail"' in below.text
    assert "Nothing begins so" in words(look(web_app, admin, name, prefix="nobody:"))


def test_a_document_is_downloaded_while_it_is_kept_and_whoever_does_is_remembered(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    arguments: Any = {"name": name, "prefix": "user:1", "document": "prefix"}
    value = browse(web_app.settings, BrowseArguments(**arguments), silent)
    rest, secret = values.parted(value)
    ended(web_app, "SUCCESS", operation="browse", arguments=arguments, value=rest, values="sealed")
    gone = words(admin.get("/tasks/one/document"))
    assert "Values are kept for 10 minutes only" in gone
    assert "Make it again" in gone
    closed = values.sealed(web_app.settings, "one", secret)
    assert closed
    values.keep(web_app.settings, "one", closed)
    assert "Download JSON" in words(admin.get("/tasks/one"))
    answer = admin.get("/tasks/one/document")
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name.partition('.')[0]}-keys.json"
    assert len(json.loads(answer.text)["keys"]) == 11
    assert "browse shown" in [deed.what for deed in audit.recent(web_app.settings, 9)]


def test_only_a_look_has_a_document(web_app: Web, admin: Browser) -> None:
    ended(web_app, "SUCCESS", operation="search", arguments={"key": "a"}, value={"document": {"rows": ["secret"]}})
    assert "secret" not in admin.get("/tasks/one/document").text
    assert admin.get("/tasks/nothing/document").status_code == 404


def test_the_way_to_a_prefix_is_told_step_by_step() -> None:
    assert befallen.trail("user:7:mail/x") == [
        ("user:", "user:"),
        ("7:", "user:7:"),
        ("mail/", "user:7:mail/"),
        ("x", "user:7:mail/x"),
    ]
    assert (befallen.above("user:7:mail"), befallen.above("alone"), befallen.trail(None)) == ("user:7:", "", [])
