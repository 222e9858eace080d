"""A mail comes whole, to a real mail server."""

from email import message_from_bytes
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller

from tests.notify.conftest import Configure
from tests.notify.receiver import again_now, told
from worker.notify.deliver import deliver
from worker.notify.overview import overview


class Mails:
    def __init__(self) -> None:
        self.came: list[bytes] = []

    async def handle_DATA(  # noqa: N802 - as it is called
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        self.came.append(envelope.content)
        return "250 OK" if len(self.came) > 1 else "451 Not now"


class AnyPort(Controller):
    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def test_a_mail_shows_the_sentence_as_it_is_and_is_sent_again_when_it_was_refused(configured: Configure) -> None:
    mails = Mails()
    server = AnyPort(mails, hostname="127.0.0.1", port=0)
    server.start()
    try:
        address = f"mailto://127.0.0.1:{server.port}?from=us@example.org&to=you@example.org&mode=insecure"
        settings = configured(notify_webhook_url=None, notify_urls=address, public_url="https://host")
        told(settings, "The backup of <b>here</b> failed & nobody knows @why.")
        assert deliver(settings) == 0
        assert overview(settings)["channels"][0]["why"] == "It refused the message with 451."
        again_now(settings)
        assert deliver(settings) == 1
    finally:
        server.stop()
    mail = message_from_bytes(mails.came[-1], policy=default)
    assert mail["subject"] == "Redis Backup: The backup of <b>here</b> failed & nobody knows @why."
    shown = mail.get_content()
    assert mail.get_content_type() == "text/plain"
    assert (
        shown.replace("\r\n", "\n") == "The backup of <b>here</b> failed & nobody knows @why.\n\nhttps://host/backups\n"
    )
