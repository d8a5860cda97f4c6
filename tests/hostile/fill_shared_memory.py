"""Takes memory that is nobody's: anonymous files, System V segments, shared maps in children."""

import ctypes
import mmap
import os
import time


def attack(world: dict[str, str]) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(os, "memfd_create"):
        try:
            os.memfd_create("hidden")
            return "escaped: memfd"
        except OSError:
            pass
    if libc.shmget(0, 1 << 28, 0o1600) >= 0:
        return "escaped: a segment"
    for _ in range(8):
        if os.fork() == 0:
            shared = mmap.mmap(-1, 60 << 20)
            for at in range(0, 60 << 20, 4096):
                shared[at] = 1
            time.sleep(60)
            os._exit(0)
    time.sleep(60)
    return "escaped: eight shared maps"
