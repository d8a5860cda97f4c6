"""Kills the program that started it, by its number outside, and the groups around it."""

import os
import signal


def attack(world: dict[str, str]) -> str:
    for pid in (int(world["pid"]), int(world["bystander"])):
        for send in (os.kill, os.killpg):
            try:
                send(pid, signal.SIGKILL)
                return f"escaped: signalled {pid}"
            except OSError:
                continue
    return "contained: no such process"
