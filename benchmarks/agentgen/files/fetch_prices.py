"""Fetch prices once a day."""


# TODO: read the list of shops from the settings
def shops() -> list[str]:
    """Where to look."""
    return ["north", "south"]


def fetch(shop: str) -> float:
    """The price in one shop."""
    # a shop may be closed on Sundays
    return float(len(shop))  # TODO: replace the fake price


def main() -> None:
    """Print all prices."""
    for shop in shops():
        print(shop, fetch(shop))
