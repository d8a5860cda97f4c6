"""Ends its process without a word, in the middle of a reply."""

import ctypes
import os


def attack(world: dict[str, str]) -> str:
    os.write(1, b"\x00\x00\x10")
    ctypes.string_at(8)
    return "escaped: read address 8"
