"""Never ends, whatever it is told."""


def attack(world: dict[str, str]) -> str:
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
