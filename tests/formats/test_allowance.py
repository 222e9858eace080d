"""How much a file may become: to the byte."""

import pytest

from worker.errors import ArtifactError
from worker.formats.allowance import LEAST_BYTES, RATIO, Allowance


@pytest.mark.parametrize(
    ("allowance", "most"),
    [
        (Allowance.of_manifest(7), 7),
        (Allowance.foreign(1), LEAST_BYTES),
        (Allowance.foreign(LEAST_BYTES), LEAST_BYTES * RATIO),
        (Allowance.foreign(LEAST_BYTES, 9), 9),
        (Allowance.adopted(LEAST_BYTES, None), LEAST_BYTES * RATIO),
        (Allowance.adopted(1, None), LEAST_BYTES),
        (Allowance.adopted(LEAST_BYTES, 9), 9),
    ],
    ids=["by its manifest", "small", "large", "as was said", "adopted", "adopted and small", "adopted as was said"],
)
def test_it_takes_as_much_as_it_may_and_not_a_byte_more(allowance: Allowance, most: int) -> None:
    allowance.take(most)
    with pytest.raises(ArtifactError, match=f"larger than the {most:,} bytes"):
        allowance.take(1)
