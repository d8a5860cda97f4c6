"""Takes memory in many processes, each below the limit of one."""

import os
import time


def attack(world: dict[str, str]) -> str:
    for _ in range(8):
        if os.fork() == 0:
            kept = bytearray(os.urandom(1 << 20) * 40)
            time.sleep(60)
            os._exit(len(kept) % 2)
    time.sleep(60)
    return "escaped: eight times the memory"
