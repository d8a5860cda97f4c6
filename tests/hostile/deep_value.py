"""Returns lists within lists, deep enough to end a parser."""

from typing import Any


def attack(world: dict[str, str]) -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value
