"""Reference solutions: math and data work."""

from __future__ import annotations

import csv
import math
import statistics
from collections import defaultdict
from datetime import date, timedelta


def percent_change(old: float, new: float) -> float:
    """math-01: by how many percent a value changed."""
    return (new - old) / old * 100


def compound(principal: float, rate: float, years: float) -> float:
    """math-02: the balance after monthly compounding."""
    return round(principal * (1 + rate / 100 / 12) ** (12 * years), 2)


def describe(values: list[float]) -> dict[str, float]:
    """math-03: mean, median and sample standard deviation."""
    return {
        "mean": statistics.mean(values),
        "median": statistics.median(values),
        "stdev": round(statistics.stdev(values), 4),
    }


def weighted_mean(grades: list[float], weights: list[float]) -> float:
    """math-04: the weighted average."""
    return sum(grade * weight for grade, weight in zip(grades, weights, strict=True)) / sum(weights)


def monthly_payment(amount: float, rate: float, months: int) -> float:
    """math-05: the rate of an annuity loan."""
    monthly = rate / 100 / 12
    return round(amount * monthly / (1 - (1 + monthly) ** -months), 2)


def split_bill(total: float, people: int, tip: float) -> float:
    """math-06: what each person pays, tip included."""
    return round(total * (1 + tip / 100) / people, 2)


def prime_factors(n: int) -> list[int]:
    """math-07: the prime factors, smallest first, repeated as often as they divide."""
    factors: list[int] = []
    divisor = 2
    while divisor * divisor <= n:
        while n % divisor == 0:
            factors.append(divisor)
            n //= divisor
        divisor += 1
    return [*factors, n] if n > 1 else factors


def gcd_lcm(a: int, b: int) -> dict[str, int]:
    """math-08: greatest common divisor and least common multiple."""
    return {"gcd": math.gcd(a, b), "lcm": math.lcm(a, b)}


def fit_line(x: list[float], y: list[float]) -> dict[str, float]:
    """math-09: slope and intercept by least squares."""
    slope, intercept = statistics.linear_regression(x, y)
    return {"slope": round(slope, 6), "intercept": round(intercept, 6)}


def change_base(number: str, from_base: int, to_base: int) -> str:
    """math-10: a whole number in another base, lower case."""
    value, digits = int(number, from_base), ""
    while value:
        value, rest = divmod(value, to_base)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


def moving_average(values: list[float], window: int) -> list[float]:
    """math-11: the means of every run of ``window`` values."""
    return [sum(values[i : i + window]) / window for i in range(len(values) - window + 1)]


def without_vat(gross: float, rate: float) -> dict[str, float]:
    """math-12: net price and tax within a gross price."""
    net = round(gross / (1 + rate / 100), 2)
    return {"net": net, "vat": round(gross - net, 2)}


def to_roman(number: int) -> str:
    """math-13: a number in Roman numerals."""
    signs = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"))
    signs += ((50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
    text = ""
    for value, sign in signs:
        text += sign * (number // value)
        number %= value
    return text


def working_days(start: str, end: str) -> int:
    """math-14: Mondays to Fridays, both days included."""
    first, last = date.fromisoformat(start), date.fromisoformat(end)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return sum(day.weekday() < 5 for day in days)


def pearson(x: list[float], y: list[float]) -> float:
    """math-15: the correlation of two columns."""
    return round(statistics.correlation(x, y), 4)


def totals(table: str) -> dict[str, float]:
    """math-16: amounts added up by category, from CSV text with a header."""
    sums: defaultdict[str, float] = defaultdict(float)
    for row in csv.DictReader(table.strip().splitlines()):
        sums[row["category"]] += float(row["amount"])
    return {name: round(value, 2) for name, value in sums.items()}


SOLUTIONS = {
    "math-01": percent_change,
    "math-02": compound,
    "math-03": describe,
    "math-04": weighted_mean,
    "math-05": monthly_payment,
    "math-06": split_bill,
    "math-07": prime_factors,
    "math-08": gcd_lcm,
    "math-09": fit_line,
    "math-10": change_base,
    "math-11": moving_average,
    "math-12": without_vat,
    "math-13": to_roman,
    "math-14": working_days,
    "math-15": pearson,
    "math-16": totals,
}
