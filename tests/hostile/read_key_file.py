"""Reads a key file of the user's."""


def attack(world: dict[str, str]) -> str:
    try:
        with open(world["key"]) as file:
            return f"escaped: {file.read()}"
    except OSError as error:
        return f"contained: {type(error).__name__}"
