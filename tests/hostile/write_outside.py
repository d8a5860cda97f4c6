"""Writes where it was not asked to: the user's folder, the system, the root."""

import os


def attack(world: dict[str, str]) -> str:
    places = (
        world["outside"],
        "/",
        "/etc",
        "/usr",
        "/usr/bin",
        "/root",
        "/home",
        "/var",
        "/dev",
        "/dev/shm/..",
        "/proc",
    )
    written: list[str] = []
    for place in places:
        try:
            os.makedirs(place, exist_ok=True)
            with open(os.path.join(place, "hostile"), "w") as file:
                file.write("here")
            written.append(place)
        except OSError:
            continue
    # /dev/shm/.. is its own /tmp: what it may write.
    return f"escaped: {written}" if set(written) - {"/dev/shm/.."} else "contained: read-only"
