"""Returns more than anybody wants to hold."""


def attack(world: dict[str, str]) -> list[str]:
    return ["x" * 1000] * 20_000
