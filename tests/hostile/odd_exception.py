"""Raises an exception that attacks whoever prints it."""

import os


class Odd(BaseException):
    def __str__(self) -> str:
        return "x" * 50_000_000

    def __repr__(self) -> str:
        os._exit(9)


def attack(world: dict[str, str]) -> str:
    raise Odd from Odd()
