"""Changes the Python that the program runs on, and an installed package."""

import json
import sys


def attack(world: dict[str, str]) -> str:
    targets = [json.__file__, sys.executable, world["package"]]
    for target in targets:
        try:
            with open(target, "ab") as file:
                file.write(b"\nraise SystemExit\n")
            return f"escaped: {target}"
        except OSError:
            continue
    return "contained: read-only"
