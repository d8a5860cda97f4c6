"""``prices.yaml``: what models cost where the user knows better than the price tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from practice.config.parse import parse
from practice.config.schema import Closed, ModelSpec, Price
from practice.config.yamlfile import read_yaml

__all__ = ["PRICES_FILE", "PriceFile", "load_prices", "priced"]

PRICES_FILE = "prices.yaml"


class PriceFile(Closed):
    """A workspace's own price table."""

    as_of: str = Field(default="", description="When these prices were looked up, in your words.")
    prices: dict[str, Price] = Field(description="Model name -> usd per million tokens.")


def load_prices(root: Path) -> Mapping[str, Price]:
    """The prices of the workspace at ``root``, by model name; empty without a file.

    Raises InputError where the file is wrong.
    """
    path = root / PRICES_FILE
    return parse(PriceFile, read_yaml(path)).prices if path.is_file() else {}


def priced(spec: ModelSpec, prices: Mapping[str, Price]) -> ModelSpec:
    """``spec`` with its price out of ``prices``, unless it has one of its own or is not named there."""
    price = prices.get(spec.name)
    return spec if spec.price is not None or price is None else spec.model_copy(update={"price": price})
