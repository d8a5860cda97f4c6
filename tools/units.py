"""Unit conversion. Every unit is a factor to the base unit of its kind; temperatures have an offset too.

Factors are exact by definition where one exists (international yard and pound 1959, SI brochure 9th edition),
customary units are those of the United States unless the name says otherwise.
"""

from __future__ import annotations

import difflib
import re

_POUND = 0.45359237
_FOOT = 0.3048
_GALLON = 3.785411784e-3
_IMPERIAL_GALLON = 4.54609e-3
_CALORIE = 4.184

# kind -> {"name, name, …": factor to the base unit}; the first name of a line is the one that answers use.
_TABLE: dict[str, dict[str, float]] = {
    "length": {
        "m, metre, meter": 1.0,
        "km, kilometre, kilometer": 1e3,
        "dm, decimetre, decimeter": 0.1,
        "cm, centimetre, centimeter": 0.01,
        "mm, millimetre, millimeter": 1e-3,
        "um, µm, micrometre, micrometer, micron": 1e-6,
        "nm, nanometre, nanometer": 1e-9,
        "in, inch, inches": _FOOT / 12,
        "ft, foot, feet": _FOOT,
        "yd, yard": _FOOT * 3,
        "mi, mile": _FOOT * 5280,
        "nmi, nautical mile": 1852.0,
    },
    "mass": {
        "kg, kilogram, kilo": 1.0,
        "g, gram": 1e-3,
        "mg, milligram": 1e-6,
        "ug, µg, microgram": 1e-9,
        "t, tonne, metric ton": 1e3,
        "lb, lbs, pound": _POUND,
        "oz, ounce": _POUND / 16,
        "st, stone": _POUND * 14,
        "short ton, us ton": _POUND * 2000,
        "long ton, imperial ton": _POUND * 2240,
        "ct, carat": 2e-4,
    },
    "time": {
        "s, sec, second": 1.0,
        "ms, millisecond": 1e-3,
        "us, µs, microsecond": 1e-6,
        "ns, nanosecond": 1e-9,
        "min, minute": 60.0,
        "h, hr, hour": 3600.0,
        "d, day": 86400.0,
        "wk, week": 604800.0,
    },
    "volume": {
        "m3, cubic metre, cubic meter": 1.0,
        "l, litre, liter": 1e-3,
        "dl, decilitre, deciliter": 1e-4,
        "cl, centilitre, centiliter": 1e-5,
        "ml, millilitre, milliliter, cm3, cc, cubic centimetre, cubic centimeter": 1e-6,
        "gal, gallon": _GALLON,
        "qt, quart": _GALLON / 4,
        "pt, pint": _GALLON / 8,
        "cup": _GALLON / 16,
        "fl oz, floz, fluid ounce": _GALLON / 128,
        "tbsp, tablespoon": _GALLON / 256,
        "tsp, teaspoon": _GALLON / 768,
        "imperial gallon": _IMPERIAL_GALLON,
        "imperial pint": _IMPERIAL_GALLON / 8,
        "in3, cubic inch, cubic inches": (_FOOT / 12) ** 3,
        "ft3, cubic foot, cubic feet": _FOOT**3,
        "bbl, oil barrel": _GALLON * 42,
    },
    "area": {
        "m2, square metre, square meter": 1.0,
        "km2, square kilometre, square kilometer": 1e6,
        "cm2, square centimetre, square centimeter": 1e-4,
        "mm2, square millimetre, square millimeter": 1e-6,
        "ha, hectare": 1e4,
        "in2, square inch, square inches": (_FOOT / 12) ** 2,
        "ft2, sqft, square foot, square feet": _FOOT**2,
        "yd2, square yard": (_FOOT * 3) ** 2,
        "acre": 4046.8564224,
        "mi2, square mile": (_FOOT * 5280) ** 2,
    },
    "speed": {
        "m/s, mps, metre per second, meter per second": 1.0,
        "km/h, kmh, kph, kilometre per hour, kilometer per hour": 1 / 3.6,
        "mph, mi/h, mile per hour, miles per hour": _FOOT * 5280 / 3600,
        "ft/s, fps, foot per second, feet per second": _FOOT,
        "kn, knot": 1852 / 3600,
    },
    "energy": {
        "J, joule": 1.0,
        "mJ, millijoule": 1e-3,
        "kJ, kilojoule": 1e3,
        "MJ, megajoule": 1e6,
        "cal, calorie": _CALORIE,
        "kcal, kilocalorie": _CALORIE * 1e3,
        "Wh, watt hour": 3600.0,
        "kWh, kilowatt hour": 3.6e6,
        "BTU, british thermal unit": 1055.05585262,
        "eV, electronvolt": 1.602176634e-19,
    },
    "power": {
        "W, watt": 1.0,
        "mW, milliwatt": 1e-3,
        "kW, kilowatt": 1e3,
        "MW, megawatt": 1e6,
        "hp, horsepower": 745.69987158227022,
    },
    "pressure": {
        "Pa, pascal": 1.0,
        "hPa, hectopascal": 100.0,
        "kPa, kilopascal": 1e3,
        "bar": 1e5,
        "mbar, millibar": 100.0,
        "atm, atmosphere": 101325.0,
        "mmHg, torr": 101325 / 760,
        "psi, pound per square inch": 6894.757293168361,
    },
    "data": {
        "B, byte": 8.0,
        "bit": 1.0,
        "kB, KB, kb, kilobyte": 8e3,
        "MB, mb, megabyte": 8e6,
        "GB, gb, gigabyte": 8e9,
        "TB, tb, terabyte": 8e12,
        "KiB, kibibyte": 8.0 * 2**10,
        "MiB, mebibyte": 8.0 * 2**20,
        "GiB, gibibyte": 8.0 * 2**30,
        "TiB, tebibyte": 8.0 * 2**40,
        "kbit, kilobit": 1e3,
        "Mbit, Mb, megabit": 1e6,
        "Gbit, Gb, gigabit": 1e9,
    },
    "angle": {
        "rad, radian": 1.0,
        "deg, degree, °": 0.017453292519943295,
        "turn, revolution": 6.283185307179586,
    },
}
# Kelvin = (value + offset) * factor
_TEMPERATURES: dict[str, tuple[float, float]] = {
    "K, kelvin": (0.0, 1.0),
    "C, °C, celsius, degree celsius, degrees celsius, centigrade": (273.15, 1.0),
    "F, °F, fahrenheit, degree fahrenheit, degrees fahrenheit": (459.67, 5 / 9),
}
_ABSOLUTE_ZERO = 0.0


def convert(value: float, from_unit: str, to_unit: str) -> str:
    """Convert a quantity from one unit to another and return it with its unit.

    Args:
        value: The quantity.
        from_unit: Its unit, such as km, lb, gallon, celsius, kWh or GiB.
        to_unit: The unit wanted, of the same kind.
    """
    source, target = _find(from_unit), _find(to_unit)
    if source[0] != target[0]:
        raise ValueError(f"{from_unit!r} is a unit of {source[0]}, {to_unit!r} one of {target[0]}")
    kind, _, offset, factor = source
    base = (value + offset) * factor
    if kind == "temperature" and base < _ABSOLUTE_ZERO - 1e-9:
        raise ValueError(f"{value:g} {from_unit} is below absolute zero")
    _, symbol, offset, factor = target
    result = base / factor - offset
    # Going through kelvin leaves 32 F at 5.7e-14 C.
    return f"{_tidy(round(result, 9) if kind == 'temperature' else result)} {symbol}"


def _names() -> tuple[dict[str, tuple[str, str, float, float]], dict[str, tuple[str, str, float, float]]]:
    """Units by exact name, and by name in lower case where that is not ambiguous (mW and MW are)."""
    exact: dict[str, tuple[str, str, float, float]] = {}
    for kind, units in _TABLE.items():
        for names, factor in units.items():
            known = names.split(", ")
            exact |= dict.fromkeys(known, (kind, known[0], 0.0, factor))
    for names, (offset, factor) in _TEMPERATURES.items():
        known = names.split(", ")
        exact |= dict.fromkeys(known, ("temperature", known[0], offset, factor))
    lower: dict[str, list[tuple[str, str, float, float]]] = {}
    for name, unit in exact.items():
        lower.setdefault(name.lower(), []).append(unit)
    return exact, {name: units[0] for name, units in lower.items() if len(set(units)) == 1}


_EXACT, _LOWER = _names()


def _find(unit: str) -> tuple[str, str, float, float]:
    """(kind, symbol, offset, factor) of a unit as people write it: any case, plural, m², m^2."""
    name = re.sub(r"\s+", " ", unit.strip().rstrip("."))
    name = name.replace("²", "2").replace("³", "3").replace("^", "").replace("μ", "µ")
    short = re.sub(r"\bsq\.? ", "square ", re.sub(r"\bcu\.? ", "cubic ", name.lower()))
    symbol = re.sub(r"^(?:square|(cubic)) (\w+)$", lambda m: m[2] + ("3" if m[1] else "2"), short)
    plurals = (short.removesuffix("s"), short.removesuffix("es"), _singular_first(short))
    for candidate in (name, short, symbol, *plurals):
        for table in (_EXACT, _LOWER):
            if candidate in table:
                return table[candidate]
    close = difflib.get_close_matches(short, _LOWER, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known kinds: {', '.join(_TABLE)}, temperature"
    raise ValueError(f"unknown unit {unit!r}; {hint}")


def _singular_first(name: str) -> str:
    """'kilometers per hour' -> 'kilometer per hour'."""
    first, space, rest = name.partition(" ")
    return first.removesuffix("s") + space + rest


def _tidy(number: float) -> str:
    """Ten significant digits, without a fraction of .0."""
    rounded = float(f"{number:.10g}") + 0.0  # -0.0 + 0.0 is 0.0
    return str(int(rounded)) if rounded.is_integer() and abs(rounded) < 1e15 else repr(rounded)
