"""Reference solutions: web pages."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.request import urlopen

from bs4 import BeautifulSoup, Tag


def _text(url: str) -> str:
    with urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def _page(url: str) -> BeautifulSoup:
    return BeautifulSoup(_text(url), "html.parser")


def _said(tag: Tag | None) -> str:
    assert tag is not None, "the page lacks what the question is about"
    return " ".join(tag.get_text(" ").split())


def _rows(url: str) -> list[list[str]]:
    rows = _page(url).find_all("tr")
    return [[_said(cell) for cell in row.find_all(["td", "th"])] for row in rows]


def title(url: str) -> str:
    """pages-01: the title of a page."""
    return _said(_page(url).title)


def links(url: str) -> list[str]:
    """pages-02: where the links of a page point to."""
    return [str(tag["href"]) for tag in _page(url).find_all("a", href=True)]


def price(url: str, product: str) -> float:
    """pages-03: what a product costs."""
    for item in _page(url).select(".product"):
        if product.lower() in _said(item.select_one("h2")).lower():
            return float(_said(item.select_one(".price")).strip("€ "))
    raise LookupError(product)


def population(url: str, city: str) -> int:
    """pages-04: the population of a city in a table."""
    return next(int(row[2].replace(",", "")) for row in _rows(url) if row[0] == city)


def images_without_alt(url: str) -> int:
    """pages-05: images without a text in their place."""
    return sum(not tag.get("alt") for tag in _page(url).find_all("img"))


def outline(url: str) -> list[str]:
    """pages-06: the headings, in order."""
    return [_said(tag) for tag in _page(url).find_all(["h1", "h2", "h3"])]


def summary(url: str) -> str:
    """pages-07: the description for search engines."""
    tag = _page(url).select_one("meta[name=description]")
    assert tag is not None, "the page describes itself"
    return str(tag["content"])


def opening_hours(url: str, day: str) -> str:
    """pages-08: the hours of a weekday."""
    return next(row[1] for row in _rows(url) if row[0].lower() == day.lower())


def headlines(url: str) -> list[str]:
    """pages-09: the titles of a feed's items."""
    return re.findall(r"<item>\s*<title>(.*?)</title>", _text(url), re.DOTALL)


def table_sum(url: str) -> float:
    """pages-10: the sum of the last column of an invoice."""
    return round(sum(float(row[-1]) for row in _rows(url) if re.fullmatch(r"\d+\.\d\d", row[-1])), 2)


def reading(url: str, field: str) -> Any:
    """pages-11: one field of a JSON answer."""
    return json.loads(_text(url))["current"][field]


def ingredients(url: str) -> list[str]:
    """pages-12: the ingredients of a recipe."""
    return [_said(tag) for tag in _page(url).select(".ingredients li")]


def byline(url: str) -> dict[str, str]:
    """pages-13: who wrote an article, and when."""
    page = _page(url)
    time = page.select_one("time[datetime]")
    assert time is not None, "an article has a date"
    return {"author": _said(page.select_one(".author")), "date": str(time["datetime"])}


def broken_anchors(url: str) -> list[str]:
    """pages-14: links to a place within the page that isn't there."""
    page = _page(url)
    places = {str(tag["id"]) for tag in page.find_all(id=True)}
    return [h for tag in page.find_all("a", href=True) if (h := str(tag["href"]))[0] == "#" and h[1:] not in places]


def addresses(url: str) -> list[str]:
    """pages-15: every e-mail address of a page."""
    return sorted(set(re.findall(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _text(url))))


def mentions(url: str, word: str) -> int:
    """pages-16: how often a word stands in what a reader sees."""
    page = _page(url)
    for tag in page(["script", "style", "head"]):
        tag.decompose()
    return len(re.findall(rf"\b{re.escape(word)}\b", page.get_text(" "), re.IGNORECASE))


SOLUTIONS = {
    "pages-01": title,
    "pages-02": links,
    "pages-03": price,
    "pages-04": population,
    "pages-05": images_without_alt,
    "pages-06": outline,
    "pages-07": summary,
    "pages-08": opening_hours,
    "pages-09": headlines,
    "pages-10": table_sum,
    "pages-11": reading,
    "pages-12": ingredients,
    "pages-13": byline,
    "pages-14": broken_anchors,
    "pages-15": addresses,
    "pages-16": mentions,
}
