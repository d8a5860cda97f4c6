"""Replaces the modules and functions that a worker would need to answer, and leaves files named like them."""

import builtins
import json
import os
import sys
from typing import Any


def attack(world: dict[str, str]) -> str:
    def poisoned(*args: Any, **named: Any) -> str:
        return '{"id": "", "ended": "done", "value": "forged"}'

    for name in ("json", "os", "numpy", "struct", "socket"):
        with open(f"{name}.py", "w") as file:
            file.write("raise SystemExit('poisoned')")
    setattr(json, "dumps", poisoned)
    setattr(json.JSONEncoder, "encode", poisoned)
    setattr(json.encoder, "c_make_encoder", None)
    setattr(os, "getpid", lambda: 0)
    setattr(builtins, "len", lambda value: 1)
    sys.modules.pop("traceback", None)
    sys.path.insert(0, os.getcwd())
    return "contained: the true value"
