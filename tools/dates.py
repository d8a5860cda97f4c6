"""Date arithmetic on ISO dates. A plain calendar: no times, no time zones."""

from __future__ import annotations

import calendar
from datetime import date, timedelta


def date_add(start: str, days: int = 0, weeks: int = 0, months: int = 0, years: int = 0) -> str:
    """Add a span to a date (negative numbers go back) and return the new date as YYYY-MM-DD.

    Months and years are added first; a day that the month lacks becomes its last day.

    Args:
        start: The date to start from, as YYYY-MM-DD.
        days: Days to add.
        weeks: Weeks to add.
        months: Months to add.
        years: Years to add.
    """
    day = _date(start)
    index = day.year * 12 + (day.month - 1) + months + years * 12
    year, month = index // 12, index % 12 + 1
    try:
        last = calendar.monthrange(year, month)[1]
        moved = date(year, month, min(day.day, last)) + timedelta(days=days, weeks=weeks)
    except (ValueError, OverflowError, calendar.IllegalMonthError):
        raise ValueError("the result is outside the years 1 to 9999") from None
    return moved.isoformat()


def days_between(start: str, end: str) -> int:
    """Count the days from one date to another; negative where the second is earlier.

    Args:
        start: The first date, as YYYY-MM-DD.
        end: The second date, as YYYY-MM-DD.
    """
    return (_date(end) - _date(start)).days


def weekday(day: str) -> str:
    """Name the day of the week of a date, such as Monday.

    Args:
        day: The date, as YYYY-MM-DD.
    """
    # Not strftime("%A") or calendar.day_name: both follow the machine's language.
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    return names[_date(day).weekday()]


def _date(text: str) -> date:
    cleaned = text.strip().replace("/", "-")
    try:
        return date.fromisoformat(cleaned)
    except ValueError:
        raise ValueError(f"{text!r} is not a date of the form YYYY-MM-DD, such as 2024-02-29") from None
