"""Several behaviours that together, and in order, describe the attempts that succeed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from practice.advantage.contrast import ALPHA, Table, facts_of, tabulate
from practice.features import ANSWER, CALLS, MANNER, OPENING, UserFeature, phrase
from practice.stats import mantel_haenszel, wilson
from practice.types import Fact, Group, ToolSpec, Value

__all__ = ["Recipe", "find_recipe", "opened", "render"]

MOST = 4
"""Parts of a recipe: more do not fit in one lesson."""
SUPPORT = 0.15
"""The least share of the scored rollouts that a recipe must describe, and never under 5 of them."""
TYPICAL = 0.8
"""A behaviour that this share of the recipe's right attempts shows belongs to their procedure."""


class Recipe(Value):
    """An ordered procedure, found by the program and tested with a correction for the search."""

    parts: tuple[Fact, ...]
    """In the order of a trajectory: the opening, the calls, the answer, the manner."""
    right: float
    n: int
    """``right`` of the ``n`` rollouts that did all of it succeeded."""
    other_right: float
    other_n: int
    difference: float
    """Mantel-Haenszel risk difference, all of it against the rest."""
    q: float
    """Times the number of conjunctions that the search looked at (Bonferroni)."""
    evidence: tuple[str, ...]
    """Ids of right rollouts that did all of it, at most ten."""

    @property
    def says(self) -> str:
        """The recipe as one line with its counts."""
        what = ", ".join(part.says if part.difference >= 0 else f"not: {part.says}" for part in self.parts)
        return f"{what}: right {self.right:g} of {self.n}; others: {self.other_right:g} of {self.other_n}"


def find_recipe(
    groups: Sequence[Group], specs: Sequence[ToolSpec] = (), user: Sequence[UserFeature] = ()
) -> Recipe | None:
    """A greedy search for the conjunction of behaviours that best describes success; None where none is significant.

    Starts at the significant fact with the highest lower Wilson bound of the success rate, and adds the behaviour
    that lifts the bound of those who do all of it, as long as it also makes a difference among those who do all the
    rest. Then each stage of a trajectory (opening, calls, answer) that has no part yet gets what is typical of those
    who succeeded: a twin of a part (told under its name as a fact), else the strongest fact. The whole is tested
    against the rest, stratified by group, at the familywise ``ALPHA``, corrected for every conjunction looked at.
    """
    table = tabulate(groups, specs, user)
    # How long a text is goes along with what was done in it; it is no action that one could be told to take.
    facts = [fact for fact in facts_of(table) if fact.p <= ALPHA and not fact.feature.startswith("n:")]
    # Where no behaviour stands out alone, several may do so together: the test of the whole decides.
    usable = [fact for fact in facts if fact.q <= ALPHA] or facts
    least = max(5, round(SUPPORT * len(table.reward)))
    chosen: list[Fact] = []
    looked = 0
    bound = -1.0
    while len(chosen) < MOST:
        trials = [(_bound(table, [*chosen, fact], least), fact) for fact in usable if _fits(table, chosen, fact)]
        looked += len(trials)
        gains = [(value, fact) for value, fact in trials if value > bound + 1e-9 and _matters(table, chosen, fact)]
        if not gains:
            break
        bound, best = max(gains, key=lambda trial: trial[0])
        chosen.append(best)
    if not chosen:
        return None
    for slot in (OPENING, CALLS, ANSWER):  # a manner is no stage: it is told where it matters by itself
        options = [*_twins(table, chosen), *usable]
        free = slot not in {phrase(part.feature).slot for part in chosen} and len(chosen) < MOST
        for fact in options if free else ():
            if phrase(fact.feature).slot == slot and _fits(table, chosen, fact):
                looked += 1
                if _typical(table, chosen, fact):
                    chosen.append(fact)
                    break
    return _tested(table, _ordered(chosen), max(looked, len(table.columns)))


def opened(recipe: Recipe, facts: Sequence[Fact]) -> Recipe:
    """The recipe with the most definite opening that the facts support.

    Not "call f" but "first reply with only the f call": told to call a tool, an agent may still begin in another
    way; told how to begin, it has begun. Taken are openings of the same tool that go with success by themselves; the
    recipe's counts stay those of its own parts.
    """
    parts = list(recipe.parts)
    for place, part in enumerate(parts):
        if phrase(part.feature).slot == OPENING and part.difference > 0:
            tool = _tool(part.feature)
            other = [fact for kind in ("only_call", "opening") for fact in facts if fact.feature == f"{kind}:{tool}"]
            definite = [fact for fact in other if fact.q <= ALPHA and fact.difference > 0]
            if definite:
                parts[place] = definite[0]
    return recipe.model_copy(update={"parts": tuple(parts)})


def render(recipe: Recipe, *, when: str = "you get a task", instead: bool = False, max_words: int = 32) -> str | None:
    """The recipe as a lesson, "When …, first …, then …": a generic grammar over any tool and any feature.

    ``instead`` puts in front what not to do: what those do who lack the opening, else the manners to avoid; other
    manners are then left out. Drops the weakest part until the lesson has at most ``max_words`` words; None where not
    even one part fits.
    """
    parts = list(recipe.parts)
    while parts:
        text = _sentence(parts, when, instead)
        if len(text.split()) <= max_words:
            return text
        parts.remove(max(parts, key=lambda part: (part.p, part.feature)))
    return None


def _sentence(parts: Sequence[Fact], when: str, instead: bool) -> str:
    said: list[str] = []
    manner = [part.do for part in parts if phrase(part.feature).slot == MANNER]
    for part in parts:
        if phrase(part.feature).slot != MANNER:
            tool = _tool(part.feature)
            named = tool is not None and any(tool in _words(text) for text in said)
            said.append(_pronoun(part.do, tool) if tool is not None and named else part.do)
    steps = ", ".join(said[:-1]) + f", then {said[-1]}" if len(said) > 1 else "".join(said)
    notes = " and ".join(manner)
    if instead:
        better = [phrase(part.feature).instead for part in parts if part.difference >= 0]
        notes = next((text for text in better if text), notes)
    if not (notes and steps):
        return f"When {when}, {steps or notes}."
    return f"When {when}, {notes}: {steps}." if instead else f"When {when}, {steps}; {notes}."


def _tool(feature: str) -> str | None:
    kind, _, rest = feature.partition(":")
    return rest if rest and kind not in {"n", "user", "order"} else None


def _pronoun(text: str, tool: str) -> str:
    """Name a tool once: "a call of f" -> "a call", "the f call" -> "the call", "call f" -> "call it"."""
    text = re.sub(rf" of {re.escape(tool)}(?!\w)| {re.escape(tool)}(?= call)", "", text)
    return re.sub(rf"(?<!\w){re.escape(tool)}(?!\w)", "it", text)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w.-]+", text))


def _shown(table: Table, fact: Fact) -> list[bool]:
    """Whether each rollout is on the better side of a fact."""
    name = next((kept for kept, twins in table.twins.items() if fact.feature in twins), fact.feature)
    return [shown == (fact.difference >= 0) for shown in table.columns[name]]


def _twins(table: Table, chosen: Sequence[Fact]) -> list[Fact]:
    """What always comes with a part, as facts of the same counts: the part's other stages, so to speak."""
    found: list[Fact] = []
    for part in chosen:
        for name in table.twins.get(part.feature, ()) if part.difference > 0 else ():
            words = phrase(name)
            found.append(part.model_copy(update={"feature": name, "says": words.says, "do": words.do}))
    return sorted(found, key=lambda fact: -phrase(fact.feature).clarity)


def _matters(table: Table, chosen: Sequence[Fact], fact: Fact) -> bool:
    """Whether a behaviour goes with success among those who do all of ``chosen``: else it is a chance refinement."""
    if not chosen:
        return True
    does, shown = _all(table, chosen), _shown(table, fact)
    strata: dict[int, tuple[list[float], list[float]]] = {}
    for group, reward, doing, also in zip(table.stratum, table.reward, does, shown, strict=True):
        if doing:
            strata.setdefault(group, ([], []))[0 if also else 1].append(reward)
    if not any(with_ and without for with_, without in strata.values()):
        return False
    association = mantel_haenszel(list(strata.values()))
    return association.difference > 0 and association.p <= ALPHA


def _all(table: Table, facts: Sequence[Fact]) -> list[bool]:
    sides = [_shown(table, fact) for fact in facts]
    return [all(side[row] for side in sides) for row in range(len(table.reward))]


def _bound(table: Table, facts: Sequence[Fact], least: int) -> float:
    """The lower Wilson bound of the success rate of those who do all of it; -1 where too few do."""
    doing = [reward for reward, does in zip(table.reward, _all(table, facts), strict=True) if does]
    return wilson(sum(doing), len(doing))[0] if len(doing) >= least else -1.0


def _fits(table: Table, chosen: Sequence[Fact], fact: Fact) -> bool:
    """Not there yet, and not said already by a part of the same stage."""
    slot = phrase(fact.feature).slot
    for part in chosen:
        if part.feature == fact.feature:
            return False
        if phrase(part.feature).slot == slot:
            mine, other = _shown(table, fact), _shown(table, part)
            if all(b or not a for a, b in zip(mine, other, strict=True)) or all(
                a or not b for a, b in zip(mine, other, strict=True)
            ):
                return False
    return True


def _typical(table: Table, chosen: Sequence[Fact], fact: Fact) -> bool:
    """Whether most of the right attempts that do all of ``chosen`` do this too."""
    does, also = _all(table, chosen), _shown(table, fact)
    right = [row for row, reward in enumerate(table.reward) if does[row] and reward >= 0.5]
    return bool(right) and sum(also[row] for row in right) >= TYPICAL * len(right)


def _ordered(chosen: Sequence[Fact]) -> list[Fact]:
    return sorted(chosen, key=lambda fact: (phrase(fact.feature).slot, fact.p, fact.feature))


def _tested(table: Table, parts: Sequence[Fact], looked: int) -> Recipe | None:
    does = _all(table, parts)
    strata = table.strata(does)
    if not any(with_ and without for with_, without in strata):
        return None
    association = mantel_haenszel(strata)
    q = min(1.0, association.p * looked)
    if q > ALPHA or association.difference <= 0:
        return None
    doing = [(reward, name) for reward, name, d in zip(table.reward, table.rollout_id, does, strict=True) if d]
    others = [reward for reward, d in zip(table.reward, does, strict=True) if not d]
    return Recipe(
        parts=tuple(parts),
        right=sum(reward for reward, _ in doing),
        n=len(doing),
        other_right=sum(others),
        other_n=len(others),
        difference=association.difference,
        q=q,
        evidence=tuple(name for reward, name in doing if reward >= 0.5)[:10],
    )
