"""Blocks every signal, then waits in one call of C for ever."""

import signal
import time


def attack(world: dict[str, str]) -> str:
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    time.sleep(10**6)
    return "escaped: a million seconds"
