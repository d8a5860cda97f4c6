"""Leaves a process behind, twice removed from it, that goes on after the call."""

import os
import time


def attack(world: dict[str, str]) -> str:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in range(600):
                with open("/tmp/work/heartbeat", "w") as file:
                    file.write(str(number))
                time.sleep(0.01)
        os._exit(0)
    os.wait()
    time.sleep(0.2)
    return "contained: left one"
