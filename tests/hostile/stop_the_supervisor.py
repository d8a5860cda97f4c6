"""Stops, interrupts and hangs up its supervisor instead of killing it, then waits for the clock to be forgotten."""

import os
import signal
import time


def attack(world: dict[str, str]) -> str:
    for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV):
        try:
            os.kill(os.getppid(), number)
        except OSError:
            continue
    time.sleep(60)
    return "escaped: nobody looked at the clock"
