"""The page of alerts in a real browser: on a phone, without scripts, with long words."""

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server

from tests.support.browser import DESK, PHONE, Visitor, chromium
from tests.support.dashboard import PASSWORD, Web
from tests.web.pages.test_alert_pages import ago, alert, known


@pytest.fixture
def url(web_app: Web) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, web_app.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_it_fits_on_a_phone_and_a_desk_with_and_without_scripts(web_app: Web, url: str) -> None:
    long = "x" * 300
    many = [
        alert(f"copy.late:s3://{number}", sentence=f"1 backup should be in s3://{long} by now.") for number in range(12)
    ]
    known(web_app, alert(), *many, ended=(alert(sentence=long, ended_at=ago()),))
    with chromium() as browser:
        for window, scripts in ((PHONE, False), (PHONE, True), (DESK, False)):
            visitor = Visitor(browser, url, viewport=window, java_script_enabled=scripts)
            visitor.logs_in(PASSWORD)
            page = visitor.opens("/alerts")
            if scripts:
                assert visitor.overflow() == []
            assert page.get_by_role("link", name="Alerts").get_by_text("13").is_visible()
            assert page.get_by_role("button", name="Silence").first.is_visible()
            visitor.leaves()
