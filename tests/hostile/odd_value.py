"""Returns an object whose every method attacks whoever looks at it."""

import os
from typing import Any


class Odd(dict[str, Any]):
    def items(self) -> Any:
        raise SystemError("looked at")

    def __iter__(self) -> Any:
        while True:
            yield float("nan")

    def __repr__(self) -> str:
        os._exit(9)


def attack(world: dict[str, str]) -> Any:
    return Odd(a=Odd())
