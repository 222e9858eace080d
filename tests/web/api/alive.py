"""Processes that show that they live, and the numbers of /metrics."""

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from tests.support.dashboard import Web
from tests.support.processes import CANARY


def hear_of(web: Web, *roles: str, host: str = "somewhere") -> None:
    """As if these roles had just shown that they live."""
    for role in roles:
        web.broker.client().set(f"redis_backup:alive:{role}:{host}", 1, ex=45)


def numbers(script: FlaskClient) -> dict[str, float]:
    """Every number of /metrics, by its name and its labels in the order of the alphabet."""
    answer = script.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert CANARY not in answer.text
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation.endswith(".")
        for sample in family.samples:
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found
