"""Bytes stored for each format and compression."""

from functools import partial
from typing import get_args

from benchmarks.contest import Contestant, contest
from benchmarks.loaded import Loaded
from benchmarks.made import checked
from benchmarks.results import Row
from worker.config.settings import CompressionName, FormatName


def run(loaded: Loaded) -> list[Row]:
    """One backup of each."""
    found = [
        Contestant(
            f"{kind}, {compression}",
            "ours",
            partial(checked, loaded, "--format", kind, "--compression", compression, "--engine", "replication"),
        )
        for kind in get_args(FormatName)
        for compression in get_args(CompressionName)
    ]
    return contest("size", loaded.shape, found, 1, loaded.place.told)
