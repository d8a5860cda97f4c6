"""The page on which a person labels attempts away from the terminal: self-contained, sends nothing, blind."""

from __future__ import annotations

import os
from collections.abc import Sequence

from practice.labels import Item
from practice.report import template, words

__all__ = ["label_page"]


def label_page(run: str, items: Sequence[Item], why: str) -> str:
    """One HTML document; its script keeps answers in the page and gives them back as a JSON file."""
    page = template("labels.html.jinja").render(run=run, items=items, why=why)
    return words.without_keys(page, os.environ)
