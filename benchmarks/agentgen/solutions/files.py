"""Reference solutions: work on files."""

from __future__ import annotations

import configparser
import csv
import json
import re
from collections import Counter, defaultdict
from functools import reduce
from pathlib import Path
from typing import Any


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _rows(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(_lines(path)))


def count_lines(path: str) -> int:
    """file-01: lines that aren't empty."""
    return sum(bool(line.strip()) for line in _lines(path))


def column_sum(path: str, column: str) -> float:
    """file-02: the sum of a CSV column."""
    return round(sum(float(row[column]) for row in _rows(path)), 2)


def levels(path: str) -> dict[str, int]:
    """file-03: how many log lines have which level."""
    return dict(Counter(match[0] for line in _lines(path) if (match := re.search(r"\b(ERROR|WARNING|INFO)\b", line))))


def find_lines(path: str, phrase: str) -> str:
    """file-04: the lines that hold a phrase, whatever its case."""
    return "\n".join(line for line in _lines(path) if phrase.lower() in line.lower())


def best(path: str, column: str) -> str:
    """file-05: the name in the row with the largest value."""
    return max(_rows(path), key=lambda row: float(row[column]))["name"]


def setting(path: str, key: str) -> Any:
    """file-06: a value of a JSON file by its dotted key."""
    return reduce(lambda value, part: value[part], key.split("."), json.loads(Path(path).read_text(encoding="utf-8")))


def longest_line(path: str) -> dict[str, Any]:
    """file-07: the number and the length of the longest line."""
    lines = _lines(path)
    number = max(range(len(lines)), key=lambda index: len(lines[index]))
    return {"line": number + 1, "characters": len(lines[number])}


def todos(path: str) -> list[str]:
    """file-08: what the TODO comments say."""
    return [match[1].strip() for line in _lines(path) if (match := re.search(r"#\s*TODO:?\s*(.*)", line))]


def mean_by(path: str, group: str, value: str) -> dict[str, float]:
    """file-09: the mean of a column for each value of another."""
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for row in _rows(path):
        groups[row[group]].append(float(row[value]))
    return {name: round(sum(values) / len(values), 2) for name, values in groups.items()}


def missing(first: str, second: str) -> list[str]:
    """file-10: lines of the first file that the second lacks."""
    there = set(_lines(second))
    return [line for line in _lines(first) if line.strip() and line not in there]


def ini_value(path: str, section: str, key: str) -> str:
    """file-11: a value of an INI file."""
    parser = configparser.ConfigParser()
    parser.read_string(Path(path).read_text(encoding="utf-8"))
    return parser[section][key]


def count_rows(path: str, column: str, value: str) -> int:
    """file-12: CSV rows with a value in a column."""
    return sum(row[column] == value for row in _rows(path))


def headings(path: str) -> list[str]:
    """file-13: the headings of a Markdown file."""
    return [match[1].strip() for line in _lines(path) if (match := re.match(r"#{1,6}\s+(.*)", line))]


def repeated(path: str) -> list[str]:
    """file-14: lines that stand in a file more than once."""
    return [line for line, count in Counter(line for line in _lines(path) if line.strip()).items() if count > 1]


def phone(path: str, name: str) -> str:
    """file-15: the number of a person in a vCard file."""
    cards = Path(path).read_text(encoding="utf-8").split("BEGIN:VCARD")
    card = next(card for card in cards if f"FN:{name}" in card)
    return re.findall(r"TEL[^:]*:(.*)", card)[0].strip()


def visitors(path: str) -> int:
    """file-16: different addresses in an access log."""
    return len({line.split()[0] for line in _lines(path) if line.strip()})


SOLUTIONS = {
    "file-01": count_lines,
    "file-02": column_sum,
    "file-03": levels,
    "file-04": find_lines,
    "file-05": best,
    "file-06": setting,
    "file-07": longest_line,
    "file-08": todos,
    "file-09": mean_by,
    "file-10": missing,
    "file-11": ini_value,
    "file-12": count_rows,
    "file-13": headings,
    "file-14": repeated,
    "file-15": phone,
    "file-16": visitors,
}
