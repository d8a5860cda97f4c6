"""Announces a reply of four gigabytes and sends the beginning of it."""

import os
import time


def attack(world: dict[str, str]) -> str:
    for fd in range(3, 256):
        try:
            os.write(fd, b"\xff\xff\xff\xff" + b"x" * 1000)
        except OSError:
            continue
    time.sleep(60)
    return "escaped: waited"
