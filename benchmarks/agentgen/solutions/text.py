"""Reference solutions: text processing."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import parse_qs, urlsplit


def count_words(text: str) -> int:
    """text-01: words between white space."""
    return len(text.split())


def slug(title: str) -> str:
    """text-02: a title as part of an address."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def emails(text: str) -> list[str]:
    """text-03: every e-mail address."""
    return re.findall(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", text)


def is_palindrome(text: str) -> bool:
    """text-04: the same backwards; case, blanks and marks don't count."""
    letters = re.sub(r"[\W_]", "", text.lower())
    return letters == letters[::-1]


def caesar(text: str, shift: int) -> str:
    """text-05: every letter moved along the alphabet."""

    def moved(match: re.Match[str]) -> str:
        base = ord("A") if match[0].isupper() else ord("a")
        return chr((ord(match[0]) - base + shift) % 26 + base)

    return re.sub("[A-Za-z]", moved, text)


def frequent(text: str) -> dict[str, int]:
    """text-06: the three most frequent words."""
    return dict(Counter(re.findall(r"[a-z']+", text.lower())).most_common(3))


def snake(name: str) -> str:
    """text-07: camelCase as snake_case."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def masked(text: str) -> str:
    """text-08: card numbers with all digits but the last four starred."""

    def hidden(match: re.Match[str]) -> str:
        head, tail = match[0][:-4], match[0][-4:]
        return re.sub(r"\d", "*", head) + tail

    return re.sub(r"\b(?:\d{4}[ -]?){3}\d{4}\b", hidden, text)


def longest_word(text: str) -> str:
    """text-09: the longest word."""
    return max(re.findall(r"[A-Za-z]+", text), key=len)


def anagrams(first: str, second: str) -> bool:
    """text-10: made of the same letters."""
    return sorted(re.sub(r"\W", "", first.lower())) == sorted(re.sub(r"\W", "", second.lower()))


def tidy_list(items: list[str]) -> list[str]:
    """text-11: sorted, each once, in lower case."""
    return sorted({item.strip().lower() for item in items})


def hashtags(text: str) -> list[str]:
    """text-12: the hashtags."""
    return re.findall(r"#\w+", text)


def iso_dates(text: str) -> str:
    """text-13: 24.12.2025 becomes 2025-12-24."""
    return re.sub(r"\b(\d{2})\.(\d{2})\.(\d{4})\b", r"\3-\2-\1", text)


def reverse_words(sentence: str) -> str:
    """text-14: the words from last to first."""
    return " ".join(reversed(sentence.split()))


def parameter(url: str, name: str) -> str:
    """text-15: one parameter of an address's query."""
    return parse_qs(urlsplit(url).query)[name][0]


def only_in_first(first: str, second: str) -> list[str]:
    """text-16: words of the first text that the second lacks."""
    other = set(re.findall(r"\w+", second.lower()))
    return sorted(set(re.findall(r"\w+", first.lower())) - other)


SOLUTIONS = {
    "text-01": count_words,
    "text-02": slug,
    "text-03": emails,
    "text-04": is_palindrome,
    "text-05": caesar,
    "text-06": frequent,
    "text-07": snake,
    "text-08": masked,
    "text-09": longest_word,
    "text-10": anagrams,
    "text-11": tidy_list,
    "text-12": hashtags,
    "text-13": iso_dates,
    "text-14": reverse_words,
    "text-15": parameter,
    "text-16": only_in_first,
}
