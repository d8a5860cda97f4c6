"""Reaches into the process that stands above it: memory, descriptors, root, folder."""

import os


def attack(world: dict[str, str]) -> str:
    parent = os.getppid()
    for path in (f"/proc/{parent}/fd", f"/proc/{parent}/map_files"):
        try:
            return f"escaped: {os.listdir(path)}"
        except OSError:
            continue
    for path in ("mem", "environ", "maps", "syscall", "fd/3", "fd/5"):
        try:
            with open(f"/proc/{parent}/{path}", "rb") as file:
                return f"escaped: {path} {file.read(10)!r}"
        except OSError:
            continue
    for path in ("root", "cwd", "exe"):
        try:
            return f"escaped: {os.readlink(f'/proc/{parent}/{path}')}"
        except OSError:
            continue
    return "contained: it is closed"
