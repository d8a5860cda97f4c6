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
    """Rate x hours, and overtime at one and a half times the rate."""
    rate, hours, extra = cents(r, 1325, 3890), r.randint(23, 44), r.randint(3, 9)
    text = f"{who(r)} earns {money(rate)} euros an hour and one and a half times that for overtime."
    text += f" Last week it was {hours} normal hours and {extra} hours of overtime. How much was earned in euros?"
    return text, rate * hours + rate * F(3, 2) * extra


@practice
def shop_discount(r: random.Random) -> Problem:
    """Price x number, less some percent."""
    price, percent, n = cents(r, 1250, 9990), r.choice([5, 12, 15, 18, 35]), r.randint(3, 17)
    text = f"A shop sells jackets for {money(price)} euros and takes {percent} percent off. {who(r)} buys {n} of them."
    return f"{text} What is the bill in euros?", price * n * F(100 - percent, 100)


@practice
def seats(r: random.Random) -> Problem:
    """Rows x seats, less those sold."""
    rows, per, sold = r.randint(24, 67), r.randint(19, 58), r.randint(211, 433)
    text = f"A theatre has {rows} rows of {per} seats. So far {sold} tickets are sold."
    return f"{text} How many seats are still free?", F(rows * per - sold)


@practice
def fuel(r: random.Random) -> Problem:
    """Distance x use per 100 km x price per litre."""
    km, use, price = r.randint(184, 968), F(r.randint(43, 98), 10), cents(r, 141, 198)
    text = (
        f"A van drives {km} km and uses {float(use)} litres of diesel per 100 km. A litre costs {money(price)} euros."
    )
    return f"{text} What does the diesel for the trip cost in euros?", F(km) * use / 100 * price


@practice
def bricks(r: random.Random) -> Problem:
    """Length x height x bricks per square metre, and the spare ones."""
    long, high, per, spare = r.randint(13, 48), r.randint(3, 9), r.randint(47, 66), r.randint(35, 240)
    text = f"A wall is {long} m long and {high} m high and takes {per} bricks per square metre."
    return f"{text} {spare} spare bricks are ordered too. How many bricks are ordered?", F(long * high * per + spare)


@practice
def savings(r: random.Random) -> Problem:
    """What was there, and months x amount, less what was spent."""
    start, month, n, spent = r.randint(312, 987), cents(r, 4750, 19990), r.randint(7, 23), r.randint(123, 645)
    text = f"{who(r)} has {start} euros, puts aside {money(month)} euros a month for {n} months"
    return f"{text} and then spends {spent} euros. How many euros are left?", start + month * n - spent


@practice
def eggs(r: random.Random) -> Problem:
    """Hens x eggs x weeks, less what the kitchen uses."""
    hens, per, weeks, used = r.randint(37, 88), r.randint(4, 6), r.randint(6, 19), r.randint(118, 970)
    text = f"A farm has {hens} hens. Each lays {per} eggs a week. In {weeks} weeks the kitchen uses {used} eggs"
    return f"{text} and the rest is sold. How many eggs are sold?", F(hens * per * weeks - used)


@practice
def rent_share(r: random.Random) -> Problem:
    """Rent and power of a year, in equal parts."""
    rent, power, n = r.randint(874, 1985), cents(r, 6320, 18990), r.choice([2, 3, 4, 5])
    text = f"{n} flatmates pay {rent} euros of rent and {money(power)} euros for power each month, in equal parts."
    return f"{text} What does each pay in a year, in euros?", (rent + power) * 12 / n


@practice
def recipe(r: random.Random) -> Problem:
    """Flour scaled from one number of people to another."""
    grams, small, big = r.randint(130, 890), r.choice([4, 5, 6, 8]), r.randint(17, 73)
    text = f"A recipe for {small} people takes {grams} g of flour. {who(r)} cooks for {big} people."
    return f"{text} How many grams of flour are needed?", F(grams, small) * big


@practice
def printing(r: random.Random) -> Problem:
    """Booklets x (pages x price, and the binding)."""
    n, pages, price, binding = r.randint(18, 76), r.randint(34, 188), cents(r, 4, 13), cents(r, 145, 390)
    text = f"A school prints {n} booklets of {pages} pages. A page costs {money(price)} euros and binding a booklet"
    return f"{text} {money(binding)} euros. What does it cost in all, in euros?", n * (pages * price + binding)


@practice
def growth(r: random.Random) -> Problem:
    """People grown by some percent, less those who leave."""
    people, percent, gone = r.randint(24, 96) * 100, r.choice([3, 7, 8, 11, 13]), r.randint(113, 684)
    text = f"A village of {people} people grows by {percent} percent, and then {gone} people move away."
    return f"{text} How many people live there now?", F(people) * F(100 + percent, 100) - gone


# ------------------------------------------------------------------ holdout


@holdout
def invoice(r: random.Random) -> Problem:
    """Hours x rate, and some percent of tax."""
    hours, rate, vat = r.randint(14, 87), cents(r, 4550, 9875), r.choice([7, 19, 21])
    text = f"An invoice lists {hours} hours at {money(rate)} euros, and {vat} percent tax is added."
    return f"{text} What is the total in euros?", hours * rate * F(100 + vat, 100)


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
    """A sum and some percent of it, in equal parts."""
    loan_, percent, months = r.randint(18, 95) * 100, r.choice([4, 6, 9]), r.choice([12, 15, 16, 24, 25])
    text = (
        f"{who(r)} borrows {loan_} euros, owes {percent} percent on top of it, and pays back in {months} equal parts."
    )
    return f"{text} How many euros is one part?", F(loan_) * F(100 + percent, 100) / months


@holdout
def garden(r: random.Random) -> Problem:
    """Beds x plants x price, and the soil."""
    beds, plants, price, pots = r.randint(14, 47), r.randint(17, 68), cents(r, 75, 385), r.randint(25, 190)
    text = f"A park plants {beds} beds with {plants} tulips each. A tulip costs {money(price)} euros; soil costs {pots}"
    return f"{text} euros in all. What does it all cost, in euros?", beds * plants * price + pots


@holdout
def raffle(r: random.Random) -> Problem:
    """Tickets x price, less the percent given away."""
    n, price, percent = r.randint(213, 978), cents(r, 150, 450), r.choice([15, 24, 36, 45])
    text = f"A club sells {n} raffle tickets at {money(price)} euros and gives {percent} percent of the money away."
    return f"{text} How many euros does it keep?", n * price * F(100 - percent, 100)


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
    """Two stretches of speed x hours, the second with half an hour more."""
    speed, hours, speed2, hours2 = r.randint(64, 138), r.randint(3, 9), r.randint(142, 236), r.randint(2, 7)
    text = f"A train goes {speed} km/h for {hours} hours and {speed2} km/h for {hours2} hours and a half."
    return f"{text} How many km does it cover?", F(speed * hours) + speed2 * (hours2 + F(1, 2))


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
        "practice-long": draw(PRACTICE, 48, r, seen),
        "validation-long": draw(PRACTICE, 30, r, seen),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, tasks in sets.items():
        lines = "".join(json.dumps(task, ensure_ascii=False) + "\n" for task in tasks)
        (out / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
