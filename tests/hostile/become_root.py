"""Becomes root, or root of a namespace of its own, and mounts what it likes."""

import ctypes
import glob
import os
import subprocess


def attack(world: dict[str, str]) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    for become in (
        lambda: os.setuid(0),
        lambda: os.setresuid(0, 0, 0),
        lambda: os.setgid(0),
        lambda: os.setgroups([0]),
    ):
        try:
            become()
            return "escaped: root"
        except OSError:
            continue
    for flags in (0x10000000, 0x10020000, 0x20000000, 0x40000000, 0x00020000):
        if libc.unshare(flags) == 0:
            return f"escaped: unshare {flags:x}"
    if libc.chroot(b"/tmp") == 0 or libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0 or libc.umount2(b"/tmp", 2) == 0:
        return "escaped: mounted"
    for tool in ("su", "sudo", "mount", "newgrp", "pkexec"):
        for path in glob.glob(f"/usr/bin/{tool}"):
            with open("/dev/null") as nothing:
                done = subprocess.run([path, "-c", "id -u"], stdin=nothing, capture_output=True)
            if done.stdout.strip() == b"0":
                return f"escaped: {path}"
    return "contained: no privilege"
