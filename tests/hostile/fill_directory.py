"""Makes empty files without end: no bytes, but memory of the kernel's for each."""


def attack(world: dict[str, str]) -> str:
    for number in range(10_000_000):
        open(f"file{number}", "w").close()
        if number > 500_000:
            return "escaped: half a million files"
    return ""
