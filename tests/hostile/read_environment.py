"""Looks for a key in the environment: its own, its parents', the first process's."""

import os


def attack(world: dict[str, str]) -> str:
    found = repr(dict(os.environ))
    for pid in ("self", "1", str(os.getppid()), *filter(str.isdigit, os.listdir("/proc"))):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                found += repr(file.read())
        except OSError:
            continue
    return f"escaped: {found}" if world["mark"] in found else "contained: no key"
