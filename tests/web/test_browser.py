"""The dashboard as its user has it: a real browser, a real web process, a real worker, a real Redis."""

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from local import demo
from tests.support.backups import files
from tests.support.browser import DESK, PHONE, WAIT_MILLISECONDS, Visitor, axe, chromium
from tests.support.dashboard import HOSTILE
from tests.support.gates import Gate
from tests.support.processes import Shell, damaged_dump, eventually
from tests.support.servers import Server
from tests.web.house import PASSWORD, at_work, source_in
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.storage import open_storage

COLOURS = ("color-contrast", "link-in-text-block")
"""Those of axe's rules that another theme can break."""
HELD_BYTES = 100_000
"""How much of the source is let through to a backup that is to be watched."""


@dataclass(frozen=True)
class House:
    """All that runs, with the way to the source as something that can be shut."""

    source: Server
    gate: Gate
    storage: Path
    shell: Shell
    browser: Browser
    url: str

    def visitor(self, **window: Any) -> Visitor:
        return Visitor(self.browser, self.url, **window)

    def manifests(self) -> list[Manifest]:
        found = catalogue.read(open_storage(str(self.storage)))
        return sorted([*found.backups, *found.undos], key=lambda one: one.name)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with (
        chromium() as browser,
        source_in(folder) as source,
        Gate(source.port) as gate,
        at_work(folder, f"redis://127.0.0.1:{gate.port}/0") as (env, url),
    ):
        shell = Shell(env["REDIS_URL"], folder / "backups", folder)
        yield House(source, gate, folder / "backups", shell, browser, url)


def ends(visitor: Visitor, state: str = "Done") -> None:
    """Stay on the page of the run until it says so."""
    assert re.fullmatch(r"/tasks/[\w-]+", visitor.path)
    expect(visitor.page.locator(".result .state")).to_have_text(state, timeout=WAIT_MILLISECONDS)


@pytest.mark.parametrize(
    "scripts",
    [pytest.param(True, id="with JavaScript"), pytest.param(False, id="without JavaScript", marks=pytest.mark.slow)],
)
def test_from_a_backup_to_its_restore_and_its_end(house: House, scripts: bool) -> None:
    visitor = house.visitor(java_script_enabled=scripts)
    visitor.logs_in(PASSWORD)
    name = makes_a_backup_and_watches_it(house, visitor)
    downloads_it(house, visitor)
    loses_data_and_gets_it_back(house, visitor, name)
    verifies_it(house, visitor, name)
    deletes_it(house, visitor, name)
    visitor.page.get_by_role("button", name="Log out").click()
    visitor.page.wait_for_url("**/login")
    visitor.opens("/backups")
    assert visitor.path == "/login"
    visitor.leaves()


def makes_a_backup_and_watches_it(house: House, visitor: Visitor) -> str:
    house.gate.shut(HELD_BYTES)
    try:
        visitor.page.get_by_role("button", name="Back up now").click()
        # What has come through so far, shown without anybody asking for the page again.
        expect(visitor.page.locator("[data-doing]")).to_contain_text(re.compile(r"\d"), timeout=WAIT_MILLISECONDS)
    finally:
        house.gate.open()
    ends(visitor)
    (made,) = house.manifests()
    visitor.page.get_by_role("link", name="Look at the backup").click()
    assert visitor.path == f"/backups/{made.name}"
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text(re.compile(r"day \d\d:\d\d · [\d,]+ keys"))
    expect(visitor.page.get_by_text(made.name, exact=True).first).to_be_visible()
    return made.name


def downloads_it(house: House, visitor: Visitor) -> None:
    (made,) = house.manifests()
    with visitor.page.expect_download() as coming:
        visitor.page.get_by_role("link", name="Download").click()
    assert coming.value.suggested_filename == made.name
    assert hashlib.sha256(coming.value.path().read_bytes()).hexdigest() == made.sha256
    expect(visitor.page.get_by_text(made.sha256, exact=True)).to_be_visible()


def loses_data_and_gets_it_back(house: House, visitor: Visitor, name: str) -> None:
    source, page = house.source.client(), visitor.page
    before = source.get("settings:bot"), source.hgetall("user:7")
    source.set("settings:bot", "overwritten")
    source.delete("user:7")
    page.locator("input[value=overwrite]").check()
    page.get_by_role("button", name="Preview").click()
    ends(visitor)
    expect(page.locator("article.sample", has_text="settings:bot")).to_contain_text("overwritten")
    page.get_by_label(f"Type {name} to overwrite").fill(name)
    page.get_by_role("button", name="Restore exactly this").click()
    ends(visitor)
    assert (source.get("settings:bot"), source.hgetall("user:7")) == before
    undoes_it_and_restores_once_more(house, visitor, name)
    assert (source.get("settings:bot"), source.hgetall("user:7")) == before


def undoes_it_and_restores_once_more(house: House, visitor: Visitor, name: str) -> None:
    source, page = house.source.client(), visitor.page
    page.get_by_role("link", name="Undo this restore").click()
    page.get_by_role("button", name="Undo it now").click()
    ends(visitor)
    assert (source.get("settings:bot"), source.exists("user:7")) == (b"overwritten", 0)
    visitor.opens("/search").get_by_label("Key or pattern").fill("settings:bot")
    page.get_by_role("button", name="Search").click()
    ends(visitor)
    page.get_by_role("button", name="Restore this one").last.click()
    page.get_by_label("And these keys").fill("settings:bot\nuser:7")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("button", name="Restore exactly this")).to_be_visible(timeout=WAIT_MILLISECONDS)
    page.get_by_label(f"Type {name} to overwrite").fill(name)
    page.get_by_role("button", name="Restore exactly this").click()
    ends(visitor)


def verifies_it(house: House, visitor: Visitor, name: str) -> None:
    visitor.opens(f"/backups/{name}").get_by_role("button", name="Verify").click()
    ends(visitor)
    assert house.manifests()[0].verified_at


def deletes_it(house: House, visitor: Visitor, name: str) -> None:
    undos = [one.name for one in house.manifests() if one.kind == "undo"]
    assert len(undos) == 2
    for one in (*undos, name):
        page = visitor.opens(f"/backups/{one}")
        page.get_by_label(f"Type {one} to delete it").fill(one)
        page.get_by_role("button", name="Delete").click()
        ends(visitor)
    expect(visitor.opens("/backups").get_by_text("There is no backup yet")).to_be_visible()
    page = visitor.opens(f"/backups/{name}")
    expect(page.get_by_text("It was deleted")).to_be_visible()
    assert visitor.overflow() == []
    page = visitor.opens("/backups")
    row = page.get_by_role("region", name="Trash").get_by_role("row").filter(has_text=name)
    row.get_by_role("button", name="Put back").click()
    ends(visitor)
    expect(visitor.opens(f"/backups/{name}").get_by_role("button", name="Verify")).to_be_visible()
    assert [one.name for one in house.manifests() if one.deleted_at is None and one.kind == "backup"] == [name]
    for one in (*undos, name):
        house.shell("delete", one, "--now")
    assert files(house.storage) == []


def test_a_restore_that_lacks_memory_is_refused_and_goes_on_by_a_button(house: House) -> None:
    source = house.source.client()
    # Little in a file, and much in memory.
    source.mset({f"large:{number}": "x" * 100_000 for number in range(30)})
    assert house.shell("backup").code == 0
    (made,) = house.manifests()
    visitor = house.visitor()
    visitor.logs_in(PASSWORD)
    try:
        for policy, button, came in (
            ("allkeys-random", "Restore, though it may throw keys out", r"[1-9]\d* evicted"),
            (
                "noeviction",
                "Restore, though it may become full",
                r"OOM .* [1-9]\d* restored, 0 skipped, 0 expired, 0 failed\.",
            ),
        ):
            source.flushall()
            eventually(lambda: source.info("memory")["lazyfree_pending_objects"] == 0, "the memory of what is gone")
            source.config_set("maxmemory", int(source.info("memory")["used_memory"]) + 300_000)
            source.config_set("maxmemory-policy", policy)
            page = visitor.opens(f"/backups/{made.name}/restore?mode=skip")
            page.get_by_role("button", name="Restore now").click()
            ends(visitor, "Failed")
            expect(page.locator(".result")).to_contain_text("The target has too little memory")
            expect(page.locator(".result")).to_contain_text("Nothing was written. Mend what the sentence names")
            page.get_by_role("button", name=button).click()
            expect(page.get_by_label("Go on in any case")).to_be_checked()
            page.get_by_role("button", name="Restore now").click()
            ends(visitor, "Failed")
            expect(page.locator(".result")).to_contain_text(re.compile(came))
            source.config_set("maxmemory", 0)
    finally:
        source.config_set("maxmemory", 0)
        source.flushall()
        demo.fill(house.source.port, int(time.time()))
        for file in house.storage.iterdir():
            file.unlink()
    visitor.leaves()


@pytest.fixture(scope="module")
def furnished(house: House) -> tuple[House, dict[str, Any], list[str]]:
    """A house with backups and runs of every colour; somebody's cookies, and the paths of all pages."""
    dump = house.storage.parent / "dump.rdb"
    dump.write_bytes(damaged_dump(HOSTILE.encode()))
    assert house.shell("backup").code == house.shell("adopt", "--damaged", str(dump)).code == 0
    names = {one.kind: one.name for one in house.manifests()}
    visitor = house.visitor()
    visitor.logs_in(PASSWORD)
    paths = [
        "/",
        "/backups",
        "/restores",
        "/tasks",
        "/schedule",
        "/alerts",
        "/system",
        "/incident",
        "/stream",
        "/tasks?kind=restore",
        "/recovery-sheet",
    ]
    paths += [f"/backups/{names['backup']}", f"/backups/{names['backup']}/restore?mode=overwrite"]
    visitor.opens(f"/backups/{names['adopted']}/restore").get_by_role("button", name="Restore now").click()
    ends(visitor, "Failed")
    paths.append(visitor.path)
    visitor.opens("/system").get_by_role("button", name="Ask anew").click()
    ends(visitor)
    paths += [visitor.path, *_of_restores(house, visitor, names["backup"])]
    state: dict[str, Any] = dict(visitor.context.storage_state())
    visitor.leaves()
    return house, state, paths


def _of_restores(house: House, visitor: Visitor, name: str) -> Iterator[str]:
    """The paths of a preview, a restore, its undo and searches, of keys with all that can make a page too wide."""
    source: Any = house.source.client()
    source.hset(HOSTILE, mapping={"field" * 30: "x" * 500})
    source.set("settings:bot", bytes(range(256)))
    # Of every kind that a preview tells apart there is a key.
    source.set("only:here", "x")
    source.expire("user:8", 5_000)
    source.delete("user:9")
    for mode in ("mirror", "overwrite"):
        page = visitor.opens(f"/backups/{name}")
        page.locator(f"input[value={mode}]").check()
        page.get_by_role("button", name="Preview").click()
        ends(visitor)
        yield visitor.path
    page.get_by_label(f"Type {name} to overwrite").fill(name)
    page.get_by_role("button", name="Restore exactly this").click()
    ends(visitor)
    yield from (visitor.path, f"{visitor.path}/undo")
    for text, how in ((HOSTILE, "key"), ("settings:bot", "key"), ("*", "match")):
        page = visitor.opens("/search")
        page.get_by_label("Key or pattern").fill(text)
        page.get_by_label("exactly this key").set_checked(how == "key")
        page.get_by_role("button", name="Search").click()
        ends(visitor)
        yield visitor.path
    page.get_by_role("button", name="search for this exact key instead").click()
    ends(visitor)
    yield from (visitor.path, "/search")
    yield from _of_a_look(visitor, name)


def _of_a_look(visitor: Visitor, name: str) -> Iterator[str]:
    """The paths of looks into a backup: its tree, a level below, and a document."""
    page = visitor.opens(f"/backups/{name}")
    page.get_by_role("button", name="Look into it").click()
    ends(visitor)
    yield visitor.path
    page.get_by_role("button", name="user:", exact=True).click()
    ends(visitor)
    expect(page.get_by_role("heading", name="Keys that begin with user:")).to_be_visible()
    yield visitor.path
    page.get_by_role("button", name="user:10 as JSON").first.click()
    ends(visitor)
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download JSON").click()
    assert '"user:10"' in coming.value.path().read_text()
    yield visitor.path


@pytest.mark.parametrize(
    ("window", "theme"),
    [
        (DESK, "light"),
        (PHONE, "dark"),
        pytest.param(DESK, "dark", marks=pytest.mark.slow),
        pytest.param(PHONE, "light", marks=pytest.mark.slow),
    ],
    ids=["desk-light", "phone-dark", "desk-dark", "phone-light"],
)
def test_every_page_is_whole_in_every_width_and_theme(
    furnished: tuple[House, dict[str, Any], list[str]], window: dict[str, int], theme: str
) -> None:
    house, cookies, paths = furnished
    visitor, rules = house.visitor(viewport=window, color_scheme=theme, storage_state=cookies), axe()
    only = COLOURS if theme == "dark" else ()
    for path in paths:
        page = visitor.opens(path)
        assert visitor.overflow() == [], path
        assert visitor.accuses(rules, only) == [], path
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.get_by_role("button", name="Log out")).to_be_visible()
    visitor.leaves()


@pytest.mark.parametrize(("window", "theme"), [(DESK, "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_whoever_has_no_mouse_sees_where_the_focus_is(
    furnished: tuple[House, dict[str, Any], list[str]], window: dict[str, int], theme: str
) -> None:
    house, cookies, paths = furnished
    # Else the page still scrolls when it is looked at.
    options: dict[str, Any] = {"color_scheme": theme, "reduced_motion": "reduce"}
    visitor = house.visitor(viewport=window, storage_state=cookies, **options)
    for path in paths:
        visitor.opens(path)
        stops = visitor.stops()
        assert len(stops) > 1, path
        unseen = [one for one in stops if one["width"] < 2 or one["contrast"] < 3 or one["cut"] or one["covered"]]
        assert unseen == [], path
    visitor.leaves()


def test_the_end_of_a_run_leaves_focus_and_scroll_where_they_are(house: House) -> None:
    visitor = house.visitor(viewport={"width": 1280, "height": 400})
    visitor.logs_in(PASSWORD)
    house.gate.shut(HELD_BYTES)
    try:
        visitor.opens("/backups").get_by_role("button", name="Back up now").click()
        page = visitor.page
        expect(page.locator("[data-doing]")).to_contain_text(re.compile(r"\d"), timeout=WAIT_MILLISECONDS)
        page.get_by_role("link", name="Schedule").focus()
        page.evaluate("document.documentElement.style.scrollBehavior = 'auto'; scrollTo(0, 150); window.stays = true")
    finally:
        house.gate.open()
    ends(visitor)
    expect(page.get_by_role("link", name="Schedule")).to_be_focused()
    assert page.evaluate("[scrollY, window.stays]") == [150, True]
    expect(page).to_have_title(re.compile("Backup"))
    visitor.leaves()


def test_where_the_button_is_gone_that_had_the_focus_what_it_stood_in_has_it(house: House) -> None:
    visitor = house.visitor()
    visitor.logs_in(PASSWORD)
    house.gate.shut(HELD_BYTES)
    try:
        visitor.opens("/backups").get_by_role("button", name="Back up now").click()
        visitor.page.get_by_role("button", name="Cancel").focus()
    finally:
        house.gate.open()
    ends(visitor)
    assert visitor.page.evaluate("document.activeElement.closest('.result') !== null")
    visitor.leaves()


def test_keys_go_anywhere_but_not_while_somebody_types(furnished: tuple[House, dict[str, Any], list[str]]) -> None:
    house, cookies, _ = furnished
    visitor = house.visitor(storage_state=cookies)
    page, name = visitor.opens("/tasks"), min(one.name for one in house.manifests() if one.kind == "backup")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("go anywhere")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    page.keyboard.type(name)
    # Not the search for what was typed, which is there at once.
    found = re.compile(f"^Backup of .*{re.escape(name)}")
    expect(page.get_by_role("dialog").get_by_role("link", name=found)).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/backups/{name}")
    page.get_by_role("button", name="Go to").click()
    page.keyboard.type("sched")
    page.keyboard.press("Enter")
    page.wait_for_url("**/schedule")
    page.keyboard.press("/")
    page.wait_for_url("**/search")
    page.get_by_label("Key or pattern").press_sequentially("what?/")
    expect(page.get_by_label("Key or pattern")).to_have_value("what?/")
    visitor.leaves()


def test_a_key_whose_name_is_html_stays_text(furnished: tuple[House, dict[str, Any], list[str]]) -> None:
    house, cookies, paths = furnished
    visitor = house.visitor(storage_state=cookies)
    shown = 0
    for path in paths:
        page = visitor.opens(path)
        expect(page.locator("img[src=x]")).to_have_count(0)
        shown += page.get_by_text(HOSTILE).count()
    assert shown
    visitor.leaves()


def test_the_description_of_the_api_works_in_the_browser(furnished: tuple[House, dict[str, Any], list[str]]) -> None:
    house, cookies, _ = furnished
    visitor = house.visitor(storage_state=cookies)
    expect(visitor.opens("/api/docs").get_by_text("/api/backup/create", exact=True)).to_be_visible()
    # What draws the document is not ours to mend: buttons within buttons, and methods in colours too light to read.
    assert visitor.accuses(axe(), without=("#docs",)) == []
    visitor.leaves()


def test_what_would_be_wrong_is_noticed(house: House) -> None:
    visitor = house.visitor(viewport=PHONE)
    page = visitor.opens("/login")
    assert (visitor.overflow(), visitor.wrong) == ([], [])
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"width: 1px\"></p><svg width=800></svg>')")
    page.evaluate("setTimeout(() => alert(1))")
    page.evaluate("fetch('/static/nothing.js').then(() => null)")
    assert visitor.overflow()
    page.goto(house.url.replace("127.0.0.1", "localhost") + "/login")
    page.goto(house.url + "/login")
    told = "\n".join(visitor.wrong)
    for words in ("Content Security Policy", "a window opened: 1", "answered with 404", "somebody else was asked"):
        assert words in told
    visitor.context.close()
