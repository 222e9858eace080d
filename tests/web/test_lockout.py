"""Who tries passwords without end is kept out, and never the admin."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from werkzeug.test import TestResponse

from tests.support.dashboard import PASSWORD, Browser, Web
from tests.web.routes import outcomes
from web.__main__ import THREADS
from web.known_browsers import COOKIE
from web.rate_limits import MOST_SLOW, SLOW_SECONDS
from worker.broker import audit

ADDRESSES = [f"10.0.0.{number}" for number in range(60)]
NEWCOMER, WRONG = "192.0.2.7", "wrong-one"


def enter(browser: Browser, address: str, password: str = WRONG) -> TestResponse:
    return browser.post("/login", data={"password": password}, environ_overrides={"REMOTE_ADDR": address})


@pytest.fixture
def pauses(web_app: Web) -> list[float]:
    """Every wait that was asked for; none is made."""
    asked: list[float] = []
    web_app.app.config["PAUSE"] = asked.append
    return asked


@pytest.fixture
def attacked(web_app: Web, pauses: list[float]) -> Web:
    """The dashboard after each of sixty addresses has tried four times."""
    stranger = web_app.browser()
    tried = [enter(stranger, address).status_code for _ in range(4) for address in ADDRESSES]
    assert tried == [401] * 240
    assert pauses == [SLOW_SECONDS] * 180
    return web_app


def test_whoever_tries_too_often_is_kept_out_and_others_are_not(web_app: Web, anonymous: Browser) -> None:
    tried = [enter(anonymous, ADDRESSES[1]) for _ in range(12)]
    assert [one.status_code for one in tried] == [401] * 10 + [429] * 2
    assert 1 <= int(tried[-1].headers["Retry-After"]) <= 60
    assert "Too many tries: wait a minute, then try again." in tried[-1].text
    assert enter(anonymous, ADDRESSES[1], PASSWORD).status_code == 429
    assert anonymous.get("/login", environ_overrides={"REMOTE_ADDR": ADDRESSES[1]}).status_code == 200
    assert enter(anonymous, ADDRESSES[2], PASSWORD).status_code == 303
    assert outcomes(web_app).count(("somebody", "login", "limited")) == 1
    assert outcomes(web_app).count(("somebody", "login", "failed")) == 10


def test_sixty_addresses_make_each_other_slow_and_keep_nobody_out(attacked: Web, pauses: list[float]) -> None:
    assert enter(attacked.browser(), NEWCOMER, PASSWORD).status_code == 303
    assert pauses == [SLOW_SECONDS] * 181
    told = [deed.outcome for deed in audit.recent(attacked.settings, 1000)]
    assert [told.count(outcome) for outcome in ("failed", "slowed", "limited")] == [240, 1, 0]


def test_a_browser_that_was_in_before_has_tries_of_its_own_even_at_the_address_of_who_attacks(
    web_app: Web, pauses: list[float]
) -> None:
    known = web_app.logged_in()
    known.post("/logout")
    stranger = web_app.browser()
    assert [enter(stranger, ADDRESSES[number // 11]).status_code for number in range(66)].count(429) == 6
    pauses.clear()
    assert enter(known, ADDRESSES[0]).status_code == 401
    assert enter(known, ADDRESSES[0], PASSWORD).status_code == 303
    assert pauses == []
    assert [enter(known, address).status_code for address in ADDRESSES[:9]] == [401] * 8 + [429]


def test_another_login_of_the_same_browser_brings_it_no_more_tries(web_app: Web) -> None:
    browser = web_app.browser()
    entered = [enter(browser, address, PASSWORD).status_code for address in ADDRESSES[:12]]
    assert entered == [303] * 11 + [429]


@pytest.mark.parametrize("forged", ["", "x", "known", "eyJ4IjoxfQ.abc.def"])
def test_a_browser_that_only_says_it_was_in_is_a_stranger(web_app: Web, pauses: list[float], forged: str) -> None:
    stranger = web_app.browser()
    tried = []
    for number in range(12):
        stranger.set_cookie(COOKIE, forged and f"{forged}{number}", path="/login")
        tried.append(enter(stranger, ADDRESSES[0]).status_code)
    assert tried == [401] * 10 + [429] * 2
    assert pauses == []


def test_the_addresses_of_one_ipv6_network_are_one_visitor(anonymous: Browser) -> None:
    tried = [enter(anonymous, f"2001:db8::{number:x}").status_code for number in range(12)]
    assert tried == [401] * 10 + [429] * 2
    assert enter(anonymous, "2001:db8:0:1::1").status_code == 401
    mapped = [enter(anonymous, f"::ffff:192.0.2.{number}").status_code for number in range(12)]
    assert mapped == [401] * 12


@pytest.fixture
def waiting(attacked: Web) -> Iterator[Callable[[list[str]], list[Future[TestResponse]]]]:
    """Has tries wait from these addresses, until the test is over."""
    over = Event()
    with ThreadPoolExecutor(THREADS) as threads:

        def begin(addresses: list[str]) -> list[Future[TestResponse]]:
            begun = Barrier(len(addresses) + 1, timeout=20)

            def pause(_seconds: float) -> None:
                begun.wait()
                over.wait(20)

            attacked.app.config["PAUSE"] = pause
            sent = [threads.submit(enter, attacked.browser(), address) for address in addresses]
            begun.wait()
            return sent

        yield begin
        over.set()


def test_tries_that_wait_leave_the_server_its_threads_and_others_are_told_when_to_come_again(
    attacked: Web, waiting: Callable[[list[str]], list[Future[TestResponse]]]
) -> None:
    assert 2 * MOST_SLOW <= THREADS // 2
    slow = waiting(ADDRESSES[:MOST_SLOW])
    refused = [enter(attacked.browser(), address) for address in ADDRESSES[MOST_SLOW:]]
    assert {one.status_code for one in refused} == {429}
    assert all(1 <= int(one.headers["Retry-After"]) <= 60 for one in refused)
    assert not any(one.done() for one in slow)
    attacked.app.config["PAUSE"] = lambda _seconds: None
    assert enter(attacked.browser(), NEWCOMER, PASSWORD).status_code == 303


def test_of_fresh_addresses_no_more_wait_at_a_time_either(
    attacked: Web, waiting: Callable[[list[str]], list[Future[TestResponse]]]
) -> None:
    fresh = [f"198.51.100.{number}" for number in range(MOST_SLOW + 1)]
    waiting(fresh[:MOST_SLOW])
    assert enter(attacked.browser(), fresh[-1]).status_code == 429
