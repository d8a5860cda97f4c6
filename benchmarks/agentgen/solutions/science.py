"""Reference solutions: science helpers."""

from __future__ import annotations

import math
import re

MASSES = {
    "H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "Na": 22.990, "Mg": 24.305, "P": 30.974, "S": 32.06,
    "Cl": 35.45, "K": 39.098, "Ca": 40.078, "Fe": 55.845, "Cu": 63.546,
}  # fmt: skip
#: The standard genetic code, codons in the order T, C, A, G.
AMINO_ACIDS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"


def temperature(value: float, from_unit: str, to_unit: str) -> float:
    """science-01: Celsius, Fahrenheit, Kelvin."""
    start, goal = from_unit[0].upper(), to_unit[0].upper()
    kelvin = {"C": value + 273.15, "F": (value - 32) / 1.8 + 273.15, "K": value}[start]
    return round({"C": kelvin - 273.15, "F": (kelvin - 273.15) * 1.8 + 32, "K": kelvin}[goal], 6)


def molar_mass(formula: str) -> float:
    """science-02: grams a mole, brackets one deep."""
    flat = re.sub(r"\(([^()]*)\)(\d*)", lambda match: match[1] * int(match[2] or 1), formula)
    return round(sum(MASSES[name] * int(count or 1) for name, count in re.findall(r"([A-Z][a-z]?)(\d*)", flat)), 3)


def bmi(weight_kg: float, height_cm: float) -> float:
    """science-03: the body mass index."""
    return round(weight_kg / (height_cm / 100) ** 2, 1)


def gas_pressure(moles: float, temperature_k: float, volume_l: float) -> float:
    """science-04: pressure of an ideal gas in kPa."""
    return round(moles * 8.314462618 * temperature_k / volume_l, 2)


def kinetic_energy(mass: float, speed: float) -> float:
    """science-05: joules."""
    return mass * speed**2 / 2


def remaining(amount: float, half_life: float, time: float) -> float:
    """science-06: what is left of a radioactive sample."""
    return round(amount * 0.5 ** (time / half_life), 4)


def gc_content(sequence: str) -> float:
    """science-07: percent of G and C."""
    return round(100 * sum(base in "GC" for base in sequence.upper()) / len(sequence), 2)


def reverse_complement(sequence: str) -> str:
    """science-08: the other strand, read backwards."""
    return sequence.upper().translate(str.maketrans("ACGT", "TGCA"))[::-1]


def protein(sequence: str) -> str:
    """science-09: a coding strand translated until the first stop."""
    out = ""
    for start in range(0, len(sequence) - 2, 3):
        one, two, three = ("TCAG".index(base) for base in sequence[start : start + 3].upper())
        amino = AMINO_ACIDS[16 * one + 4 * two + three]
        if amino == "*":
            break
        out += amino
    return out


def ph(concentration: float) -> float:
    """science-10: pH of a hydrogen ion concentration in mol/l."""
    return round(-math.log10(concentration), 2)


def throw_range(speed: float, angle: float) -> float:
    """science-11: how far a throw goes on level ground, without air."""
    return round(speed**2 * math.sin(2 * math.radians(angle)) / 9.81, 2)


def frequency(wavelength_nm: float) -> float:
    """science-12: THz of light in vacuum."""
    return round(299_792.458 / wavelength_nm, 2)


def parallel(resistors: list[float]) -> float:
    """science-13: ohms of resistors in parallel."""
    return round(1 / sum(1 / ohms for ohms in resistors), 4)


def distance(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """science-14: kilometres along a great circle (haversine, radius 6371 km)."""
    one, two, step = math.radians(lat1), math.radians(lat2), math.radians(lon2 - lon1)
    half = math.sin((two - one) / 2) ** 2 + math.cos(one) * math.cos(two) * math.sin(step / 2) ** 2
    return round(2 * 6371 * math.asin(math.sqrt(half)), 1)


def stock_volume(stock: float, target: float, volume: float) -> float:
    """science-15: how much stock solution a dilution takes."""
    return target * volume / stock


def wind_chill(temperature_c: float, wind_kmh: float) -> float:
    """science-16: wind chill, the formula of 2001."""
    wind = wind_kmh**0.16
    return round(13.12 + 0.6215 * temperature_c - 11.37 * wind + 0.3965 * temperature_c * wind, 1)


SOLUTIONS = {
    "science-01": temperature,
    "science-02": molar_mass,
    "science-03": bmi,
    "science-04": gas_pressure,
    "science-05": kinetic_energy,
    "science-06": remaining,
    "science-07": gc_content,
    "science-08": reverse_complement,
    "science-09": protein,
    "science-10": ph,
    "science-11": throw_range,
    "science-12": frequency,
    "science-13": parallel,
    "science-14": distance,
    "science-15": stock_volume,
    "science-16": wind_chill,
}
