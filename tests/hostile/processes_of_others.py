"""Looks for processes of anybody else: names, arguments, folders."""

import os


def attack(world: dict[str, str]) -> str:
    found = [pid for pid in os.listdir("/proc") if pid.isdigit()]
    if world["pid"] in found and int(world["pid"]) > 10:
        return f"escaped: sees {world['pid']}"
    return "contained: only its own" if len(found) <= 3 else f"escaped: {found}"
