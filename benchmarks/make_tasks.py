"""Write the small task sets under ``tasks/``: short word problems whose answer is one number.

    python benchmarks/make_tasks.py [--out tasks]

Practice and validation share one pool of situations, the two holdouts another: what is learnt on crates and
wages is asked of invoices and tanks. Every answer is exact to two decimals (numbers are drawn until it is), so
no rounding rule is needed. Everything follows from ``SEED``.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from fractions import Fraction as F
from pathlib import Path

SEED = 2026
Problem = tuple[str, F]
Situation = Callable[[random.Random], Problem]

PRACTICE: list[Situation] = []
HOLDOUT: list[Situation] = []

NAMES = "Ana Bruno Carla Deniz Elif Farid Greta Hugo Ines Jonas Kemal Lina Marta Nils Olga Pavel Rosa Sami Tilda Yara"


def practice(situation: Situation) -> Situation:
    """Register a situation of the pool that practice and validation are drawn from."""
    PRACTICE.append(situation)
    return situation


def holdout(situation: Situation) -> Situation:
    """Register a situation of the holdout's pool, which shares none with the other."""
    HOLDOUT.append(situation)
    return situation


def who(r: random.Random) -> str:
    """A first name."""
    return r.choice(NAMES.split())


def cents(r: random.Random, low: int, high: int) -> F:
    """A random amount between ``low`` and ``high`` hundredths, both included."""
    return F(r.randint(low, high), 100)


def money(x: F) -> str:
    """``x`` with two decimals, as a text shows it."""
    return f"{float(x):.2f}"


# ------------------------------------------------------------------ practice and validation


@practice
def crates(r: random.Random) -> Problem:
    """Crates x bottles, less the broken ones."""
    n, per, bad = r.randint(17, 89), r.randint(23, 96), r.randint(11, 199)
    text = f"A warehouse receives {n} crates with {per} bottles each. {bad} bottles arrive broken."
    return f"{text} How many whole bottles are there?", F(n * per - bad)


@practice
def wages(r: random.Random) -> Problem:
    """Wages: one calculation of two or three numbers."""
    rate, hours, bonus = cents(r, 1325, 3890), r.randint(23, 44), r.randint(83, 397)
    text = f"{who(r)} earns {money(rate)} euros an hour, worked {hours} hours and got a bonus of {bonus} euros."
    return f"{text} How much is that in all, in euros?", rate * hours + bonus


@practice
def shop(r: random.Random) -> Problem:
    """Shop: one calculation of two or three numbers."""
    price, hat, n = cents(r, 1250, 9990), cents(r, 790, 3490), r.randint(13, 47)
    text = f"A club buys {n} jackets at {money(price)} euros each and one flag for {money(hat)} euros."
    return f"{text} What is the bill in euros?", price * n + hat


@practice
def seats(r: random.Random) -> Problem:
    """Rows x seats, less those sold."""
    rows, per, sold = r.randint(24, 67), r.randint(19, 58), r.randint(211, 433)
    text = f"A theatre has {rows} rows of {per} seats. So far {sold} tickets are sold."
    return f"{text} How many seats are still free?", F(rows * per - sold)


@practice
def van(r: random.Random) -> Problem:
    """Van: one calculation of two or three numbers."""
    km, days, more = r.randint(184, 968), r.randint(13, 48), r.randint(112, 930)
    text = f"A van drives {km} km on each of {days} days and then {more} km home."
    return f"{text} How many km is that in all?", F(km * days + more)


@practice
def bricks(r: random.Random) -> Problem:
    """Length x height x bricks per square metre, and the spare ones."""
    long, high, per, spare = r.randint(13, 48), r.randint(3, 9), r.randint(47, 66), r.randint(35, 240)
    text = f"A wall is {long} m long and {high} m high and takes {per} bricks per square metre."
    return f"{text} {spare} spare bricks are ordered too. How many bricks are ordered?", F(long * high * per + spare)


@practice
def savings(r: random.Random) -> Problem:
    """Savings: one calculation of two or three numbers."""
    start, month, n = r.randint(312, 987), cents(r, 4750, 19990), r.randint(13, 38)
    text = f"{who(r)} has {start} euros on an account and pays in {money(month)} euros a month for {n} months."
    return f"{text} How many euros are on the account then?", start + month * n


@practice
def eggs(r: random.Random) -> Problem:
    """Hens x eggs x weeks, less what the kitchen uses."""
    hens, per, weeks, used = r.randint(37, 88), r.randint(4, 6), r.randint(6, 19), r.randint(118, 970)
    text = f"A farm has {hens} hens. Each lays {per} eggs a week. In {weeks} weeks the kitchen uses {used} eggs"
    return f"{text} and the rest is sold. How many eggs are sold?", F(hens * per * weeks - used)


@practice
def rent_share(r: random.Random) -> Problem:
    """Rent share: one calculation of two or three numbers."""
    rent, power, n = r.randint(874, 1985), cents(r, 6320, 18990), r.choice([2, 3, 4, 5])
    text = f"{n} flatmates share a rent of {rent} euros and a power bill of {money(power)} euros in equal parts."
    return f"{text} What does each of them pay, in euros?", (rent + power) / n


@practice
def recipe(r: random.Random) -> Problem:
    """Recipe: one calculation of two or three numbers."""
    grams, cakes, spare = r.randint(130, 890), r.randint(17, 73), r.randint(250, 940)
    text = f"A cake takes {grams} g of flour. A baker makes {cakes} cakes and has {spare} g of flour left."
    return f"{text} How many grams of flour were there at first?", F(grams * cakes + spare)


@practice
def printing(r: random.Random) -> Problem:
    """Printing: one calculation of two or three numbers."""
    n, pages, posters = r.randint(18, 76), r.randint(34, 188), r.randint(113, 487)
    text = f"A school prints {n} booklets of {pages} pages each and {posters} posters of one page."
    return f"{text} How many pages are printed in all?", F(n * pages + posters)


@practice
def growth(r: random.Random) -> Problem:
    """Growth: one calculation of two or three numbers."""
    people, percent = r.randint(24, 96) * 100, r.choice([13, 17, 23, 27, 38, 46])
    text = f"In a town of {people} people {percent} percent own a bicycle."
    return f"{text} How many people own one?", F(people) * F(percent, 100)


# ------------------------------------------------------------------ holdout


@holdout
def invoice(r: random.Random) -> Problem:
    """Invoice: one calculation of two or three numbers."""
    hours, rate, travel = r.randint(14, 87), cents(r, 4550, 9875), cents(r, 1250, 18990)
    text = f"An invoice lists {hours} hours at {money(rate)} euros each and {money(travel)} euros for travel."
    return f"{text} What is the total in euros?", hours * rate + travel


@holdout
def tank(r: random.Random) -> Problem:
    """Flow x minutes, less what is drained."""
    litres, minutes, out = r.randint(23, 78), r.randint(37, 94), r.randint(214, 958)
    text = f"A pump fills a tank with {litres} litres a minute for {minutes} minutes. Then {out} litres are drained."
    return f"{text} How many litres are in the tank?", F(litres * minutes - out)


@holdout
def marathon(r: random.Random) -> Problem:
    """Distance a day x days, and one race."""
    km, days, more = F(r.randint(61, 189), 10), r.randint(13, 57), r.randint(12, 42)
    text = f"{who(r)} runs {float(km)} km a day for {days} days and then one race of {more} km."
    return f"{text} How many km is that in all?", km * days + more


@holdout
def parcels(r: random.Random) -> Problem:
    """Two numbers of parcels, each x its weight."""
    a, b, wa, wb = r.randint(14, 63), r.randint(12, 58), cents(r, 135, 980), cents(r, 215, 1490)
    text = f"A truck carries {a} parcels of {money(wa)} kg and {b} parcels of {money(wb)} kg."
    return f"{text} What do the parcels weigh together, in kg?", a * wa + b * wb


@holdout
def tickets(r: random.Random) -> Problem:
    """Two kinds of tickets, each x its price."""
    adults, kids, pa, pk = r.randint(113, 487), r.randint(64, 298), cents(r, 850, 1990), cents(r, 325, 790)
    text = f"A zoo sells {adults} tickets for adults at {money(pa)} euros and {kids} for children at {money(pk)} euros."
    return f"{text} How many euros does it take in?", adults * pa + kids * pk


@holdout
def carpet(r: random.Random) -> Problem:
    """Length x width x price, less a voucher."""
    long, wide, price, off = F(r.randint(41, 97), 10), F(r.randint(32, 69), 10), cents(r, 1290, 4890), r.randint(15, 95)
    text = f"A room is {float(long)} m by {float(wide)} m. Carpet costs {money(price)} euros per square metre,"
    return (
        f"{text} and a voucher takes {off} euros off. What does the carpet cost, in euros?",
        long * wide * price - off,
    )


@holdout
def pallets(r: random.Random) -> Problem:
    """Pallets x boxes x cans, less those sold."""
    pallets_, boxes, cans, sold = r.randint(13, 38), r.randint(16, 45), r.choice([12, 18, 24]), r.randint(218, 1987)
    text = f"A store gets {pallets_} pallets with {boxes} boxes of {cans} cans each and sells {sold} cans."
    return f"{text} How many cans are left?", F(pallets_ * boxes * cans - sold)


@holdout
def loan(r: random.Random) -> Problem:
    """Loan: one calculation of two or three numbers."""
    loan_, fee, months = r.randint(1800, 9500), r.randint(36, 480), r.choice([12, 15, 16, 24, 25])
    text = f"{who(r)} owes {loan_} euros and a fee of {fee} euros and pays it all back in {months} equal parts."
    return f"{text} How many euros is one part?", F(loan_ + fee, months)


@holdout
def garden(r: random.Random) -> Problem:
    """Beds x plants x price, and the soil."""
    beds, plants, price, pots = r.randint(14, 47), r.randint(17, 68), cents(r, 75, 385), r.randint(25, 190)
    text = f"A park plants {beds} beds with {plants} tulips each. A tulip costs {money(price)} euros; soil costs {pots}"
    return f"{text} euros in all. What does it all cost, in euros?", beds * plants * price + pots


@holdout
def raffle(r: random.Random) -> Problem:
    """Raffle: one calculation of two or three numbers."""
    n, price, prizes = r.randint(213, 978), cents(r, 150, 450), r.randint(115, 290)
    text = f"A club sells {n} raffle tickets at {money(price)} euros each and pays {prizes} euros for prizes."
    return f"{text} How many euros are left?", n * price - prizes


@holdout
def library(r: random.Random) -> Problem:
    """Shelves x books, less those lent, and those returned."""
    shelves, per, lent, back = r.randint(36, 94), r.randint(47, 138), r.randint(315, 989), r.randint(113, 298)
    text = (
        f"A library has {shelves} shelves with {per} books each. {lent} books are lent and {back} of those come back."
    )
    return f"{text} How many books stand in the library?", F(shelves * per - lent + back)


@holdout
def solar(r: random.Random) -> Problem:
    """Panels x yield x price, less a fee."""
    panels, kwh, price, fee = r.randint(14, 46), F(r.randint(213, 398)), cents(r, 8, 34), r.randint(35, 140)
    text = f"Each of {panels} solar panels yields {kwh} kWh a year, sold at {money(price)} euros per kWh."
    return f"{text} A yearly fee of {fee} euros is paid. What remains, in euros?", panels * kwh * price - fee


@holdout
def average(r: random.Random) -> Problem:
    """The mean of four counts."""
    a, b, c, d = (r.randint(187, 986) for _ in range(4))
    text = f"A bakery sold {a}, {b}, {c} and {d} loaves on four days."
    return f"{text} How many loaves is that a day on average?", F(a + b + c + d, 4)


@holdout
def train(r: random.Random) -> Problem:
    """Train: one calculation of two or three numbers."""
    speed, hours, speed2, hours2 = r.randint(64, 138), r.randint(13, 29), r.randint(142, 236), r.randint(12, 37)
    text = f"A train goes {speed} km/h for {hours} hours and another {speed2} km/h for {hours2} hours."
    return f"{text} How many km do they cover together?", F(speed * hours + speed2 * hours2)


def draw(situations: list[Situation], n: int, r: random.Random, seen: set[str]) -> list[dict[str, object]]:
    """``n`` problems, the situations in turn, each answer positive and exact to two decimals."""
    tasks: list[dict[str, object]] = []
    while len(tasks) < n:
        situation = situations[len(tasks) % len(situations)]
        text, answer = situation(r)
        if answer <= 0 or (answer * 100).denominator != 1 or text in seen:
            continue
        seen.add(text)
        shown = f"{float(answer):.2f}".rstrip("0").rstrip(".")
        tasks.append({"input": text, "answer": shown, "tags": [situation.__name__]})
    r.shuffle(tasks)
    return tasks


def main() -> None:
    """Draw every set from one generator, in a fixed order, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "tasks")
    out: Path = parser.parse_args().out
    r, seen = random.Random(SEED), set[str]()
    sets = {
        "practice": draw(PRACTICE, 16, r, seen),
        "validation": draw(PRACTICE, 16, r, seen),
        "holdout": draw(HOLDOUT, 40, r, seen),
        "holdout-long": draw(HOLDOUT, 120, r, seen),
        "validation-long": draw(PRACTICE, 30, r, seen),
        "practice-long": draw(PRACTICE, 24, r, seen),
    }
    # A second holdout for the long demo, twice as large, drawn after the first had been read and before any run on it.
    sets["holdout-long"] = draw(HOLDOUT, 240, r, seen)
    out.mkdir(parents=True, exist_ok=True)
    for name, tasks in sets.items():
        lines = "".join(json.dumps(task, ensure_ascii=False) + "\n" for task in tasks)
        (out / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
