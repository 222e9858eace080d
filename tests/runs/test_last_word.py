"""How a run ended is told, however the broker blinks just then; and what is forgotten is gone."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.servers import Server
from worker.config.settings import Settings
from worker.errors import BrokerUnavailableError
from worker.runs import listing
from worker.runs.operations import KEPT_OF_QUESTIONS
from worker.runs.recorder import Recording, perform
from worker.runs.run import Run, new
from worker.runs.store import CHANGE_TRIES, Runs, open_runs


@pytest.fixture
def settings(server: Server) -> Settings:
    return Settings(celery_broker_url=server.url)


@pytest.fixture
def memory(settings: Settings) -> Iterator[Runs]:
    with open_runs(settings) as memory:
        yield memory


def _back_once_the_end_was_told_in_vain(server: Server, recording: Recording) -> None:
    """In the place of a broker that is away: hangs up on whoever comes, until a run came that has ended."""
    with socket.create_server(("127.0.0.1", server.port)) as listener:
        ended = False
        while not ended:
            caller, _ = listener.accept()
            ended = recording.run.ended
            caller.close()
    server.start()


def test_an_end_that_the_broker_did_not_take_is_told_again(server: Server, settings: Settings) -> None:
    recording = Recording(settings, new("one", "verify", {}, "admin"), patience=60)
    away = threading.Thread(target=_back_once_the_end_was_told_in_vain, args=(server, recording))

    def work(_: Any) -> dict[str, Any]:
        server.kill()
        away.start()
        return {"name": "some backup"}

    perform(recording, work)
    away.join(60)
    with open_runs(settings) as memory:
        told = memory.get("one")
    assert told is not None
    assert (told.state, told.value) == ("SUCCESS", {"name": "some backup"})


def test_what_is_too_much_to_remember_is_deleted(memory: Runs, server: Server) -> None:
    now = datetime.now(UTC)
    made: list[Run] = []
    for number in range(KEPT_OF_QUESTIONS + 5):
        at = now + timedelta(seconds=number)
        made.append(new(f"run-{number}", "stats", {}, "admin").model_copy(update={"queued_at": at, "state": "SUCCESS"}))
        memory.put(made[-1])
    assert [memory.get(one.id) for one in made[:5]] == [None] * 5
    assert all(memory.get(one.id) for one in made[5:])
    assert len(list(server.client().scan_iter(listing.run_key("*")))) == KEPT_OF_QUESTIONS


@pytest.mark.parametrize("others", [CHANGE_TRIES, CHANGE_TRIES + 1])
def test_a_run_that_others_write_all_the_time_is_tried_again_and_not_for_ever(
    others: int, memory: Runs, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, client, pipeline = new("one", "verify", {}, "admin"), server.client(), memory._client.pipeline
    memory.put(run)
    written: list[int] = []

    def contested(**options: Any) -> Any:
        pipe = pipeline(**options)
        execute = pipe.execute

        def after_others() -> Any:
            if len(written) < others:
                written.append(client.append(listing.run_key("one"), b" "))
            return execute()

        pipe.execute = after_others
        return pipe

    monkeypatch.setattr(memory._client, "pipeline", contested)
    ended = run.model_copy(update={"state": "SUCCESS", "ended_at": datetime.now(UTC)})
    if others > CHANGE_TRIES:
        with pytest.raises(BrokerUnavailableError):
            memory.put(ended)
    else:
        assert memory.put(ended)
    told = memory.get("one")
    assert (told and told.state, len(written)) == ("PENDING" if others > CHANGE_TRIES else "SUCCESS", others)
