"""Takes memory without end."""


def attack(world: dict[str, str]) -> str:
    kept = [bytearray(1 << 20)]
    while True:
        kept.append(bytearray(1 << 20))
