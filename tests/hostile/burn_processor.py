"""Burns processor time in several processes, so that each one has used little."""

import os
import time


def attack(world: dict[str, str]) -> str:
    for _ in range(6):
        if os.fork() == 0:
            while True:
                pass
    time.sleep(60)
    return "escaped: a minute of six"
