"""Writes without end: one file, then many, in its folder, /tmp and shared memory."""

import os


def attack(world: dict[str, str]) -> str:
    block, written = b"x" * (1 << 20), 0
    for folder in (".", "/tmp", "/dev/shm", "/var/tmp"):
        for number in range(200):
            try:
                with open(os.path.join(folder, f"fill{number}"), "wb", buffering=0) as file:
                    while True:
                        size = file.write(block)
                        written += size
                        if written > 1 << 28:
                            return "escaped: 256 MB written"
            except OSError:
                continue
    return f"contained: {written >> 20} MB written"
