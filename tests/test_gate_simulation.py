"""The gate's promises by simulation: small here, at full size under the mark ``slow``."""

from __future__ import annotations

import math

import pytest

from tests.benches import load

bench = load("gate")
EVERY = [scenario for scenarios in bench.SECTIONS.values() for scenario in scenarios]
BOUNDED = [scenario for scenario in EVERY if scenario.wanted]
QUICK = [bench.ERRORS[0], bench.ERRORS[4], *bench.POWER[:2], *bench.POWER[5:7], bench.SHRINKING[4], *bench.JUDGED[2::3]]


def check(scenario: object, runs: int) -> None:
    """The share is within the bound, allowing three standard errors of the simulation at the bound."""
    result = bench.simulate(scenario, runs)
    side, bound = result.scenario.wanted.split()
    slack = 3 * math.sqrt(float(bound) * (1 - float(bound)) / runs)
    if side == "<=":
        assert result.share <= float(bound) + slack
    else:
        assert result.share >= float(bound) - slack


def name(scenario: object) -> str:
    return str(getattr(scenario, "name", scenario))


@pytest.mark.parametrize("scenario", QUICK, ids=name)
def test_a_small_simulation_keeps_the_promise(scenario: object) -> None:
    # Runs of many proposals take as many times longer.
    check(scenario, {1: 200, 6: 60, 20: 80}[len(getattr(scenario, "proposals", ()))])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", BOUNDED, ids=name)
def test_a_large_simulation_keeps_the_promise(scenario: object) -> None:
    check(scenario, 2000)


@pytest.mark.parametrize("gain", [0.1, 0.2, 0.35])
def test_the_power_in_words_is_the_power_simulated(gain: float) -> None:
    scenario = bench.Scenario(f"power {gain}", 16, bench.same(0.5), [[gain]], 4)
    simulated = bench.simulate(scenario, 300).share
    assert bench.Gate(steps=4).plan().power(16, gain, 0.5) == pytest.approx(simulated, abs=0.09)


def test_a_simulation_is_repeatable_and_counts_what_it_asked_for() -> None:
    scenario = bench.POWER[5]
    first, second = bench.simulate(scenario, 20), bench.simulate(scenario, 20)
    assert first == second
    assert 2 * 2 * scenario.tasks <= first.trials <= 2 * 8 * scenario.tasks


def test_every_row_of_the_table_is_in_the_docs() -> None:
    page = bench.DOCS.read_text(encoding="utf-8")
    for scenario in EVERY:
        assert f"| {scenario.name} |" in page
