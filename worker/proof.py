"""What is asked right before something that cannot be taken back: whether it may still be done."""

from collections.abc import Callable

Proof = Callable[[], None]
"""Raises where it may not. What is proven holds for the moment."""


def undisputed() -> None:
    """Nobody else can have a say in it."""
