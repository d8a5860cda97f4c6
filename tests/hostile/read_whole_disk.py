"""Looks through everything that it can list for the user's secret."""

import os


def attack(world: dict[str, str]) -> str:
    seen = 0
    for top in ("/root", "/home", "/etc", "/tmp", "/var", "/work", "/mnt", "/srv", "/opt", os.path.expanduser("~")):
        for folder, _, names in os.walk(top):
            if "site-packages" in folder or seen > 5000:
                break
            for name in names:
                seen += 1
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        found = file.read(4096)
                except OSError:
                    continue
                if world["mark"].encode() in found:
                    return f"escaped: {found!r}"
    return "contained: not found"
