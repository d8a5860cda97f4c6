"""Lets a child flood stderr, out of reach of sys.stderr."""

import subprocess


def attack(world: dict[str, str]) -> str:
    subprocess.run(["/bin/sh", "-c", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy >&2; done"])
    return "escaped: it ended"
