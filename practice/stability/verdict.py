"""From figures to a word: is there enough to say, is the order noise, is it stable. Pure; the cuts are settings.

The order of the questions is part of the answer. A report without enough groups says so before anything else; noise
is called where the *lower* bound of the flips is above its cut, stability where the *upper* bound is below its own, so
what the data leave open ends at CAUTION.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field, ValidationError

from practice.errors import InputError, nearest
from practice.stability.result import Axis, Design, Figure, Panel, Reliability, Validity, VerdictName
from practice.types import Value

__all__ = ["Cuts", "described", "judge", "parse_cuts", "sentence"]

WORDS = {
    "model": "the judge model",
    "temperature": "the temperature",
    "seed": "the seed",
    "prompt": "the wording",
    "rubric": "the rubric",
    "option_order": "the order of the rubric's options",
    "rollout_order": "the order of the rollouts",
    "blind": "whether the judge is blind",
}
"""An axis as a sentence names it."""

NOUNS = {
    "model": "model",
    "temperature": "temperature",
    "seed": "seed",
    "prompt": "wording",
    "rubric": "rubric",
    "option_order": "option order",
    "rollout_order": "rollout order",
    "blind": "way of blinding",
    "evaluator": "evaluator",
}
"""A value of an axis, as a panel is counted in them."""


class Cuts(Value):
    """Where one verdict ends and another begins; ``--cut name=value`` sets one."""

    groups: int = Field(default=15, ge=2)
    """INSUFFICIENT below so many groups with a defined tau_b."""
    missing: float = Field(default=0.2, ge=0, le=1)
    """INSUFFICIENT above this share of cells without a score."""
    mde: float = Field(default=0.3, gt=0, le=2)
    """INSUFFICIENT where only a larger tau_b would be told from 0."""
    noise_flip: float = Field(default=0.25, ge=0, le=1)
    """NOISE-DRIVEN where the strict flip's lower bound is above this."""
    stable_flip: float = Field(default=0.1, ge=0, le=1)
    """STABLE only where the strict flip's upper bound is at most this."""
    reliability: float = Field(default=0.7, ge=0, le=1)
    """STABLE only where the lower bound of the panel's reliability is at least this."""
    spurious: float = Field(default=0.1, ge=0, le=1)
    """STABLE only where, with truth known, at most this share of the groups that truth leaves alike is separated."""
    target: float = Field(default=0.8, gt=0, lt=1)
    """The reliability that the cheapest panel is looked for at."""
    margin: float = Field(default=0.15, ge=0, lt=0.5)
    """What flips, cycles and the distance of one family from the rest may come to before they are named a bias."""
    pass_mark: float | None = None
    """A score of this or more passes; default: halfway between the lowest and the highest score."""


def parse_cuts(given: Iterable[str]) -> Cuts:
    """The cuts of ``name=value`` texts. Raises InputError for an unknown name or a value out of range."""
    values: dict[str, float] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise InputError("name=value", found=repr(text), key="--cut")
        if name not in Cuts.model_fields:
            expected = f"one of {', '.join(Cuts.model_fields)}"
            raise InputError(expected, found=repr(name), key="--cut", nearest=nearest(name, Cuts.model_fields))
        try:
            values[name] = float(value)
        except ValueError:
            raise InputError("a number", found=repr(value), key=f"--cut {name}") from None
    try:
        return Cuts.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        expected = first["msg"].replace("Input should be ", "")
        raise InputError(f"a value {expected}", found=f"{values[name]:g}", key=f"--cut {name}") from None


def judge(
    design: Design, axes: Mapping[str, Axis], reliability: Reliability, validity: Validity | None, cuts: Cuts
) -> tuple[VerdictName, tuple[str, ...]]:
    """The verdict and why, the deciding reasons first. Read off the row ``all``: every pair of evaluators."""
    row = axes["all"]
    if reasons := _insufficient(design, row, cuts):
        return "INSUFFICIENT", tuple(reasons)
    if reasons := _noise(row, cuts):
        return "NOISE-DRIVEN", tuple(reasons)
    if doubts := _doubts(row, reliability, validity, cuts):
        return "CAUTION", (*doubts, *_worst(axes, cuts))
    return "STABLE", (*_stable(row, reliability, validity), *_worst(axes, cuts))


def _insufficient(design: Design, row: Axis, cuts: Cuts) -> list[str]:
    reasons: list[str] = []
    if len(design.evaluators) < 2:
        reasons.append("One evaluator: there is nothing to compare it with.")
    elif row.tau_b.n < cuts.groups:
        have = f"{row.tau_b.n} of {design.groups} groups have a defined tau_b"
        reasons.append(f"{have}; at least {cuts.groups} are needed.")
    if design.missing > cuts.missing:
        reasons.append(f"{percent(design.missing)} of the scores are missing; at most {percent(cuts.missing)} may be.")
    if design.mde is not None and design.mde > cuts.mde:
        reasons.append(f"Only a tau_b of {design.mde:.2f} or more would be told from 0; {cuts.mde:g} is needed.")
    return reasons


def _noise(row: Axis, cuts: Cuts) -> list[str]:
    reasons: list[str] = []
    flip = row.strict_flip
    if flip.ci is not None and flip.ci[0] > cuts.noise_flip:
        reasons.append(
            f"Evaluators reverse {shown(flip)} of the pairs that both order, above {percent(cuts.noise_flip)}."
        )
    tau = row.tau_b.value
    if tau is not None and row.tau_b_null is not None and tau <= row.tau_b_null:
        reasons.append(f"A tau_b of {tau:.2f} is what shuffled scores reach (97.5 % of them stay at or below"
                       f" {row.tau_b_null:.2f}).")  # fmt: skip
    return reasons


def _doubts(row: Axis, reliability: Reliability, validity: Validity | None, cuts: Cuts) -> list[str]:
    doubts: list[str] = []
    flip, panel = row.strict_flip, reliability.panel
    if flip.ci is None or flip.ci[1] > cuts.stable_flip:
        limit = f"the upper bound may be {percent(cuts.stable_flip)}"
        doubts.append(f"Evaluators reverse {shown(flip)} of the pairs that both order; {limit}.")
    if panel.ci is None or panel.ci[0] < cuts.reliability:
        figure = "unknown" if panel.value is None else f"{panel.value:.2f} {bounds(panel, '.2f', 1)}".rstrip()
        doubts.append(f"The panel's reliability is {figure}; the lower bound must be {cuts.reliability:g}.")
    spurious = validity.spurious_signal if validity is not None else None
    if spurious is not None and spurious.value is not None and spurious.value > cuts.spurious:
        separated = f"The judges separate {shown(spurious)} of the groups that truth leaves alike"
        doubts.append(f"{separated}; at most {percent(cuts.spurious)} may be.")
    return doubts


def _stable(row: Axis, reliability: Reliability, validity: Validity | None) -> list[str]:
    panel = reliability.panel
    reasons = [
        f"Evaluators reverse {shown(row.strict_flip)} of the pairs that both order.",
        f"The panel's reliability is {panel.value:.2f} {bounds(panel, '.2f', 1)}.",
    ]
    if validity is not None and validity.spurious_signal.value is not None:
        reasons.append(f"They separate {shown(validity.spurious_signal)} of the groups that truth leaves alike.")
    return reasons


def _worst(axes: Mapping[str, Axis], cuts: Cuts) -> list[str]:
    """What one axis alone does where that is more than a stable panel may show."""
    rows = [(name, row.strict_flip) for name, row in axes.items() if name != "all"]
    return [
        f"Changing only {WORDS[name]} reverses {shown(flip)} of them."
        for name, flip in rows
        if flip.ci is not None and flip.ci[0] > cuts.stable_flip
    ]


# ---------------------------------------------------------------- the sentence


def sentence(axes: Mapping[str, Axis], d_study: Sequence[Panel], cuts: Cuts, groups: int | None = None) -> str:
    """What changing one thing does, and the cheapest panel that would do: one sentence a person can act on.

    ``groups``: how many there are, where they are too few for more than an indication.
    """
    text = f"{_change(axes)}; {_cheapest(d_study, cuts)}."
    return text if groups is None else f"Indicative, from {counted(groups, 'group')}: {text[:1].lower()}{text[1:]}"


def _change(axes: Mapping[str, Axis]) -> str:
    known = {name: row for name, row in axes.items() if row.strict_flip.value is not None}
    single = {name: row for name, row in known.items() if name != "all"}
    if not known:
        return "No two evaluators order the same pair"
    name, row = max((single or known).items(), key=lambda item: item[1].strict_flip.value or 0.0)
    subject = "Another evaluator" if name == "all" else f"Changing only {WORDS[name]}"
    text = f"{subject} reverses {shown(row.strict_flip)} of the strict pairs"
    if row.top_disjoint.value is not None:
        text += f" and replaces the top rollout in {percent(row.top_disjoint.value)} of the groups"
    return text


def _cheapest(d_study: Sequence[Panel], cuts: Cuts) -> str:
    if not d_study:
        return "a panel's reliability can't be told from these scores"
    enough = [panel for panel in d_study if panel.reliability >= cuts.target]
    if enough:
        best = min(enough, key=lambda panel: (panel.calls, -panel.reliability))
        if best.calls == 1:
            return f"a single call reaches reliability {cuts.target:g}"
        return f"{described(best)} {_verb(best, 'reach')} reliability {cuts.target:g} for {best.calls} calls a rollout"
    top = max(d_study, key=lambda panel: (panel.reliability, -panel.calls))
    most = f"{described(top)} {_verb(top, 'come')} to {top.reliability:.2f}"
    return f"no panel looked at reaches reliability {cuts.target:g}: {most}"


def described(panel: Panel) -> str:
    """``three wordings at one seed each``, ``two models with three wordings each``, ``one evaluator at five seeds``."""
    levels = panel.levels or {"prompt": panel.prompts, "seed": panel.seeds}
    ways = [(axis, count) for axis, count in levels.items() if axis != "seed"] or [("evaluator", 1)]
    many = [(axis, count) for axis, count in ways if count > 1] or ways[:1]
    text = " with ".join(counted(count, NOUNS[axis]) for axis, count in many)
    if "seed" in levels:
        text += f" at {counted(levels['seed'], 'seed')}"
    return f"{text} each" if many[0][1] > 1 and (len(many) > 1 or "seed" in levels) else text


def _verb(panel: Panel, verb: str) -> str:
    """``reach`` or ``reaches``, as what :func:`described` begins with."""
    single = {"reach": "reaches", "come": "comes"}
    return single[verb] if described(panel).startswith("one ") else verb


# ---------------------------------------------------------------- words


def percent(value: float) -> str:
    """0.142 -> ``14 %``; below 10 % with one decimal."""
    share = 100 * value
    return f"{share:.1f} %" if 0 < abs(share) < 9.95 and round(share) != share else f"{share:.0f} %"


def shown(figure: Figure) -> str:
    """A share with its interval: ``14 % [11, 17]``."""
    if figure.value is None:
        return "an unknown share"
    text = percent(figure.value)
    return f"{text} {bounds(figure, '.1f' if '.' in text else '.0f', 100)}".rstrip()


def bounds(figure: Figure, form: str, factor: float) -> str:
    """``[11, 17]``; nothing where there is no interval."""
    if figure.ci is None:
        return ""
    return f"[{factor * figure.ci[0]:{form}}, {factor * figure.ci[1]:{form}}]"


def counted(number: int, noun: str) -> str:
    """``three wordings``, ``one seed``, ``12 evaluators``."""
    names = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    name = names[number] if number < len(names) else str(number)
    plural = noun if number == 1 else noun.replace("way of", "ways of") if " of " in noun else f"{noun}s"
    return f"{name} {plural}"
