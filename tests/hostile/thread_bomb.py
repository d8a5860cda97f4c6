"""Starts threads without end."""

import threading
import time


def attack(world: dict[str, str]) -> str:
    count = 0
    while True:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        count += 1
        if count > 2000:
            return "escaped: 2000 threads"
