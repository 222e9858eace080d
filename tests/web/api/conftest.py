"""A script that may do everything."""

import pytest
from flask.testing import FlaskClient

from tests.web.api.asked import Scripts


@pytest.fixture
def script(token_client: Scripts) -> FlaskClient:
    """A script that may do everything."""
    return token_client("read", "backup", "restore", "delete", name="ci")
