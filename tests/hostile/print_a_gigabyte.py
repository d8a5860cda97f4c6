"""Prints a gigabyte."""

import sys


def attack(world: dict[str, str]) -> str:
    for _ in range(1024):
        sys.stdout.write("x" * (1 << 20))
    return "escaped: printed"
