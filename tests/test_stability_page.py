"""The stability report as a page and as Markdown: what it says, what it leaves out, and that data is never markup."""

from __future__ import annotations

import math
import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from practice.report import LARGEST, stability_plots, stability_text, words
from practice.report import stability_words as terms
from practice.report.stability_page import stability_html, stability_markdown
from practice.stability import StabilityReport
from practice.stability.result import (
    Axis,
    Bias,
    Component,
    Consequences,
    Design,
    Figure,
    Panel,
    Reliability,
    Ties,
    Unstable,
    Validity,
)

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>|`*[x](http://x)\n# \u202eevil</title></style>"
NOTHING = Figure(value=None, ci=None, n=0)
NAMES = ("mini · default", "mini · strict", "mini · evidence")
KEY = "sk-very-secret-1234567890"
VOID = {"meta", "br", "img", "input", "hr", "link"}


# ---------------------------------------------------------------- reports


def fig(value: float, half: float = 0.04, n: int = 60) -> Figure:
    return Figure(value=value, ci=(value - half, value + half), n=n)


def axis(tau: float, *, pairs: int = 3, null: float | None = 0.09) -> Axis:
    return Axis(
        tau_b=fig(tau, n=58),
        spearman=fig(0.51),
        defined_share=fig(0.775),
        tau_b_undefined_as_zero=fig(0.33),
        gamma=fig(0.57),
        strict_flip=fig(0.162, 0.03),
        soft_change=fig(0.46),
        acc_eq=fig(0.52),
        top_disjoint=fig(0.29),
        best_worst_reversal=fig(0.058, 0.02),
        pairs=pairs,
        tau_b_null=null,
        p=0.0004,
        q=0.002,
    )


def undefined_axis() -> Axis:
    return Axis(**{measure.key: NOTHING for measure in terms.MEASURES}, pairs=1)  # pyright: ignore[reportArgumentType]


def unstable(names: tuple[str, ...] = NAMES, said: str = "It shows its work.", group: str = "crates") -> Unstable:
    scores = ((0.9, 0.1, 0.5), (0.8, 0.2, 0.4), (0.1, 0.7, None))
    return Unstable(
        group=group,
        tau_b=-0.4,
        q=0.3,
        scores={name: scores[at % 3] for at, name in enumerate(names)},
        rollouts=("r0", "r1", "r2"),
        reasons={name: (said, "", f"{name} says so.") for name in names},
    )


def report(names: tuple[str, ...] = NAMES, **changes: Any) -> StabilityReport:
    n = len(names)
    matrix = tuple(tuple(1.0 if i == j else 0.3 - 0.4 * (min(i, j) == 0) for j in range(n)) for i in range(n))
    fields: dict[str, Any] = {
        "verdict": "CAUTION",
        "reasons": ("Evaluators reverse 16 % [13, 19] of the pairs that both order.",),
        "sentence": "Changing only the wording reverses 14 % [11, 17] of the strict pairs.",
        "design": Design(groups=60, group_size=3, evaluators=names, axes={"prompt": 3}, missing=0.021, mde=0.11),
        "axes": {"prompt": axis(0.42), "all": axis(0.4)},
        "ties": Ties(all_tied=0.11, one_sided=0.09, pair_tied=0.36),
        "components": {
            "rollout_in_group": Component(variance=0.04, share=0.42),
            "rollout_x_prompt": Component(variance=0.02, share=0.2),
            "prompt_in_group": Component(variance=0.01, share=0.08),
            "seed": Component(variance=0.03, share=0.3),
        },
        "reliability": Reliability(single_call=fig(0.42), panel=fig(0.81)),
        "d_study": tuple(
            Panel(prompts=p, seeds=s, calls=p * s, reliability=0.42 / (0.42 + 0.2 / p + 0.2 / (p * s)))
            for p in (1, 2, 3, 4)
            for s in (1, 2)
        ),
        "agreement": {"kendall_w": 0.61, "alpha_ordinal": None},
        "bias": Bias(
            position={"consistency": fig(0.71), "first_slot": fig(0.64), f"first_slot:{names[0]}": fig(0.7)},
            length={"all": fig(0.21), "truth": fig(0.02), **{name: fig(0.2) for name in names}},
            threshold={"all": fig(0.12), "prompt": fig(0.1)},
            named=("length: scores go with length.",),
        ),
        "validity": Validity(
            auroc=fig(0.83),
            tpr=fig(0.78),
            fpr=fig(0.19),
            spurious_signal=fig(0.23),
            missed_signal=fig(0.13),
            recovery=fig(0.71),
        ),
        "consequences": Consequences(groups_kept=42, groups_abstained=18, pairs_kept=0.52, lessons_inverted=0.14),
        "tau_matrix": matrix,
        "group_tau": {"crates": -0.4, "jars": 0.2, "boxes": None},
        "coverage": ((1.0, 0.72), (0.8, 0.79), (0.4, 0.9)),
        "unstable": (unstable(names),),
    }
    return StabilityReport(**(fields | changes))


def bare() -> StabilityReport:
    """A report in which nothing is defined."""
    return report(
        ("a", "b"),
        verdict="INSUFFICIENT",
        design=Design(groups=3, group_size=2, evaluators=("a", "b"), axes={}, missing=1.0, mde=None, indicative=True),
        axes={"all": undefined_axis()},
        components={},
        reliability=Reliability(single_call=NOTHING, panel=NOTHING),
        d_study=(),
        agreement={"kendall_w": None},
        bias=Bias(),
        validity=None,
        consequences=Consequences(groups_kept=0, groups_abstained=3, pairs_kept=0.0),
        tau_matrix=((None, None), (None, None)),
        group_tau={"x": None},
        coverage=(),
        unstable=(),
    )


# ---------------------------------------------------------------- reading


class Reader(HTMLParser):
    """Text, tags and attributes of a page; fails on a tag that is closed in the wrong place or not at all."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> in the wrong place"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def section(page: str, title: str) -> str:
    """The text of one section of a page; empty where there is none of that title."""
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    text = read(page).text
    if title not in titles:
        return ""
    after = titles[titles.index(title) + 1 :]
    end = text.index(after[0]) if after else len(text)
    return text[text.index(title) + len(title) : end].strip()


# ---------------------------------------------------------------- what it says


@pytest.mark.parametrize("verdict", ["STABLE", "CAUTION", "NOISE-DRIVEN", "INSUFFICIENT"])
def test_the_verdict_is_what_one_sees_first(verdict: str) -> None:
    text = read(stability_html(report(verdict=verdict))).text
    lead = text[: text.index("rank agreement")]
    order = [verdict, terms.VERDICTS[verdict], "Changing only the wording", "Evaluators reverse 16 %"]  # pyright: ignore
    places = [lead.rindex(part) for part in (*order, "Stable is not correct")]
    assert places == sorted(places)
    assert stability_markdown(report(verdict=verdict)).splitlines()[2].startswith(f"**{verdict}.**")


def test_every_figure_stands_with_its_interval_and_its_meaning() -> None:
    page = stability_html(report())
    text = read(page).text
    for measure in terms.MEASURES:
        assert f"{measure.name} {measure.meaning}" in text
    assert "0.42 0.38 to 0.46 58 groups" in text, "its own n where it is not the axis's"
    assert "16.2\u00a0% 13.2 to 19.2\u00a0%" in text.replace(" %", "\u00a0%")
    assert "every pair" in text and "wording" in text and "3 in 58" in text
    for measure in (*terms.TIES, *terms.VALIDITY):
        assert measure.name in text and measure.meaning in text
    truth = section(page, "Against the truth, where it is known").replace("\u00a0", " ")
    for figure in (
        "above wrong 0.83",
        "right called right 78.0 %",
        "wrong called right 19.0 %",
        "worth 0.71 0.67 to 0.75",
    ):
        assert figure in truth
    assert "told from none, 8 times in 10" in text
    assert (
        "42 at least one pair" in text
        and "18 no such pair" in text
        and "lessons upside down 14.0 %" in text.replace("\u00a0", " ")
    )
    assert "Kendall's W 0.61" in text and "Krippendorff's alpha, ordinal –" in text


def test_what_an_endpoint_did_not_honour_is_said() -> None:
    design = report().design.model_copy(update={"unavailable": {"temperature": ("mini · strict",)}, "indicative": True})
    for text in (read(stability_html(report(design=design))).text, stability_markdown(report(design=design))):
        assert "Not honoured" in text and "temperature, by mini · strict" in text
        assert "indicative" in text


def test_biases_are_named_in_words_and_measured() -> None:
    text = section(stability_html(report()), "What moves a verdict besides worth")
    assert text.startswith("Length: scores go with length.")
    assert "Position : decided comparisons won by the first; unbiased is 50 % " in text
    assert "Position : mini · default, decided comparisons won by the first" in text
    assert "Length : truth itself" in text and "Pass mark : wording" in text
    assert "Own family" not in text, "not in this design"
    assert text.index("Length : all evaluators") < text.index("Length : truth itself") < text.index("Length : mini")
    first = {"first_slot:calm": fig(0.5), "first_slot:hasty": fig(0.9), "consistency:fickle": fig(0.3)}
    rows = terms.bias_rows(report(bias=Bias(position=first, polarity={"sound": fig(0.9), "inverted": fig(-0.6)})))
    order = [[what.partition(",")[0] for what, _ in row.figures] for row in rows]
    assert order == [["fickle", "hasty", "calm"], ["inverted", "sound"]], "the worst first"
    clean = report(bias=report().bias.model_copy(update={"named": ()}))
    assert "No bias was found" in section(stability_html(clean), "What moves a verdict besides worth")


def test_components_say_what_they_do_to_the_order() -> None:
    keys = {"rollout_in_group", "rollout_x_prompt", "prompt_in_group", "seed"}
    assert terms.component("rollout_x_prompt", keys) == "wordings prefer other rollouts"
    assert terms.component("rollout_x_prompt", keys - {"seed"}) == "wordings prefer other rollouts, or chance"
    assert terms.component("prompt_in_group", keys) == "wordings: milder or stricter with all alike"
    assert (
        terms.component("rollout_x_model_x_option_order", {"seed"}) == "models and option orders prefer other rollouts"
    )
    assert [key for key in sorted(keys) if terms.harmless(key)] == ["prompt_in_group"]
    plot = stability_plots.components(report().components)
    assert re.findall(r'class="mark (\w+)"', plot) == ["new", "bad", "old", "bad"]
    widths = [float(width) for width in re.findall(r'<rect[^>]* width="([\d.]+)"', plot)]
    assert widths[0] / widths[1] == pytest.approx(2.1, abs=0.01)


def test_a_share_that_would_be_nothing_has_no_bar() -> None:
    found = {**report().components, "seed": Component(variance=1e-9, share=1e-6)}
    root = svg(stability_plots.components(found))
    assert len(list(root.iter("rect"))) == 3 and "chance: the same call with another seed 0.0" in str(root[1].text)
    assert stability_plots.components({}) == ""


# ---------------------------------------------------------------- the heatmap


def cells(page: str) -> list[tuple[str, str]]:
    """Class and text of the heatmap's cells, row by row."""
    found = re.search(r'<table class="heat.*?</table>', page, re.DOTALL)
    return re.findall(r'<td class="(\w+)"[^>]*>([^<]*)</td>', found[0]) if found else []


@pytest.mark.parametrize("n", [2, 3, 7, 12, 24, 40])
def test_the_heatmap_holds_every_pair(n: int) -> None:
    names = tuple(f"judge {at} of a rather long name that says all there is to say" for at in range(n))
    page = stability_html(report(names))
    found = [cell for cell in cells(page) if cell[0] != "mean"]
    assert len(found) == n * n and sum(kind == "self" for kind, _ in found) == n
    small = n > 16
    assert found[1] == ("neg", "−.10" if small else "−0.10") and page.count('class="pos"') == (n - 1) * (n - 2)
    assert found[-1] == ("self", "·") and (n < 3 or found[-2] == ("pos", ".30" if small else "0.30"))
    assert page.count(f'title="{names[-1]}"') == 1, "cut on the page, whole under the pointer"
    read(page)


def test_a_heatmap_too_large_to_read_is_drawn_in_part_and_says_so() -> None:
    page = stability_html(report(tuple(f"j{at}" for at in range(75)), unstable=()))
    assert "15 more evaluators left out" in read(page).text


def test_a_pair_without_a_tau_is_a_dash_and_counts_in_no_mean() -> None:
    page = stability_html(report(tau_matrix=((1.0, None, 0.5), (None, 1.0, math.nan), (0.5, math.nan, 1.0))))
    assert cells(page) == [
        ("self", "·"), ("none", "–"), ("pos", "0.50"), ("mean", "0.50"),
        ("none", "–"), ("self", "·"), ("none", "–"), ("mean", "–"),
        ("pos", "0.50"), ("none", "–"), ("self", "·"), ("mean", "0.50"),
    ]  # fmt: skip


# ---------------------------------------------------------------- plots


def svg(plot: str) -> ElementTree.Element:
    """A plot as XML: it is well formed, and has a title and a description."""
    root = ElementTree.fromstring(plot)
    assert root[0].tag == "title" and root[0].text and root[1].tag == "desc" and root[1].text
    return root


def test_axes_are_drawn_at_their_values() -> None:
    rows = {"model": axis(0.2), "seed": axis(0.8, null=None), "all": undefined_axis()}
    plot = stability_plots.axis_forest(rows, "tau_b")
    root = svg(plot)
    at = [float(dot.get("cx", "nan")) for dot in root.iter("circle")]
    span = stability_plots.TO - stability_plots.FROM
    assert at == pytest.approx([stability_plots.FROM + 0.2 * span, stability_plots.FROM + 0.8 * span], abs=0.06)
    assert plot.count("tickmark") == 1, "the null, where there is one"
    assert "every pair" not in plot and "model 0.20 (0.16 to 0.24)" in str(root[1].text)
    assert stability_plots.axis_forest({"all": undefined_axis()}, "tau_b") == ""
    flips = stability_plots.axis_forest(rows, "strict_flip")
    assert "16.2" in flips and "tickmark" not in flips
    below = stability_plots.axis_forest({"seed": axis(-0.6)}, "tau_b")
    assert float(next(svg(below).iter("circle")).get("cx", "nan")) == pytest.approx(
        stability_plots.FROM + 0.2 * span, abs=0.06
    )


def test_a_strip_is_a_dot_a_group_until_they_are_many() -> None:
    few = {f"g{at}": at / 10 for at in range(10)} | {"flat": None, "odd": math.nan}
    root = svg(stability_plots.group_strip(few, 0.45))
    assert len(list(root.iter("circle"))) == 10
    assert {title.text for title in root.iter("title")} >= {"g3: 0.30", "g0: 0.00"}
    assert "10 groups from 0.00 to 0.90; 1 at 0 or below" in str(root[1].text)
    many = {f"g{at}": (at % 20) / 20 - 0.5 for at in range(2000)}
    root = svg(stability_plots.group_strip(many, None))
    bars = list(root.iter("rect"))
    assert not list(root.iter("circle")) and len(bars) == 20
    assert sum(int(str(bar[0].text).split()[0]) for bar in bars) == 2000
    assert stability_plots.group_strip({"flat": None}, None) == ""


def test_the_cheapest_panel_at_the_goal_is_ringed() -> None:
    panels = report().d_study
    best = stability_plots.cheapest(panels, 0.8)
    assert best is not None and (best.prompts, best.seeds, best.calls) == (4, 1, 4)
    plot = stability_plots.d_study(panels, 0.8)
    assert svg(plot)[1].text == "The cheapest at 0.8: 4 wordings x 1 seed, 4 calls a rollout: 0.81."
    assert plot.count('class="ring"') == 1 and "0.81 for 4 calls" in plot
    assert plot.count("<polyline") == 2 and "other panels" in plot
    assert len(re.findall(r'class="dot', plot)) == len(panels) + 3, "each panel once, and the legend"
    weak = [panel.model_copy(update={"reliability": 0.5}) for panel in panels]
    assert stability_plots.cheapest(weak, 0.8) is None
    assert svg(stability_plots.d_study(weak, 0.8))[1].text == "No panel reaches 0.8."
    assert stability_plots.d_study((), 0.8) == ""
    assert svg(stability_plots.d_study([Panel(prompts=1, seeds=1, calls=1, reliability=0.4)], 0.8)) is not None


def test_the_line_and_the_words_follow_the_target() -> None:
    panels = report().d_study
    asked = report(target=0.6)
    best = stability_plots.cheapest(panels, 0.6)
    assert best is not None and best.calls < 4
    plot = stability_plots.d_study(panels, 0.6)
    assert re.search(r'class="value end"[^>]*>0\.6<', plot) and ">0.8<" in plot
    assert f"reaches 0.6: {terms.panel(best)}" in stability_html(asked)
    assert f"reaches 0.6: {terms.panel(best)}" in stability_markdown(asked)


def test_panels_are_called_after_what_varies() -> None:
    panel = Panel(prompts=6, seeds=1, calls=6, reliability=0.7, levels={"model": 2, "prompt": 3})
    assert terms.panel(panel) == "2 models x 3 wordings, 6 calls a rollout: 0.70"
    assert terms.ways([panel]) == "ways of judging"
    single = Panel(prompts=2, seeds=1, calls=2, reliability=0.7, levels={"evaluator": 2})
    assert terms.ways([single]) == "evaluators"
    plot = stability_plots.d_study([single, single.model_copy(update={"prompts": 3, "calls": 3})], 0.8)
    assert "more evaluators<" in plot and "seed" not in plot, "no word of seeds where none vary"


def test_coverage_is_drawn_by_the_number_that_agree() -> None:
    root = svg(stability_plots.coverage([(1.0, 0.7), (0.6, 0.8), (0.2, 0.9)]))
    dots = list(root.iter("circle"))
    assert [float(dot.get("cx", "nan")) for dot in dots] == sorted(
        (float(d.get("cx", "nan")) for d in dots), reverse=True
    )
    assert "3: 90.0" in str(root[1].text)
    assert stability_plots.coverage([]) == "" == stability_plots.coverage([(math.nan, 0.5)])


def test_every_plot_is_named_once() -> None:
    page = stability_html(report())
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) == 12, "six plots, each with a title and a description"
    named = re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', page)
    assert sorted(named) == sorted(ids)


# ---------------------------------------------------------------- the least stable groups


def test_the_two_that_disagree_the_most_stand_side_by_side() -> None:
    page = stability_html(report())
    versus = re.search(r'<div class="versus".*?<h5>', page, re.DOTALL)
    assert versus and re.findall(r"<h4><bdi>(.*?)</bdi>", versus[0]) == ["mini · default", "mini · evidence"]
    text = section(page, "The least stable groups")
    assert "What 1 other evaluator said" in text and "said nothing" in text
    assert "0.9, its best" in text and "★0.9" in page and "★0.7" in page
    assert "mini · evidence says so." in text


def test_nobody_has_a_best_where_all_scores_are_alike() -> None:
    flat = unstable().model_copy(update={"scores": dict.fromkeys(NAMES, (0.5, 0.5, None))})
    page = stability_html(report(unstable=(flat,)))
    assert "★" not in page.replace("with a star", "") and "its best" not in page


def test_long_words_are_cut_with_the_rest_below() -> None:
    long = "One step after the other. " * 40
    page = stability_html(report(unstable=(unstable(said=long),)))
    assert page.count("<summary>all of it</summary>") == 3
    assert page.count(long.strip()) == 3, "whole, under the cut"
    short = stability_html(report())
    assert "all of it" not in short


def test_groups_without_words_show_their_scores() -> None:
    silent = unstable().model_copy(update={"reasons": {}})
    text = section(stability_html(report(unstable=(silent,))), "The least stable groups")
    assert "mini · strict" in text and "Rollout 1" not in text and "said nothing" not in text


# ---------------------------------------------------------------- what is missing


def test_a_report_of_nothing_is_a_page_of_dashes() -> None:
    page, marked = stability_html(bare()), stability_markdown(bare())
    text = read(page).text
    for said in (text, marked):
        assert "INSUFFICIENT" in said and not re.search(r"\b(None|nan|NaN|inf)\b", said)
    assert "rank agreement –" in text and "<figcaption>Agreement, group" not in page and "polyline" not in page
    assert page.count("<svg") == 1, "the sign of the verdict"
    for title in (
        "What changes when one thing changes",
        "Against the truth, where it is known",
        "The least stable groups",
    ):
        assert title in read(stability_html(report())).text and title not in text
    assert "Where it comes from" not in text and "This design can show no bias" in text
    assert "no two evaluators differ in one thing alone" in text and "Would be seen not known" in text


def test_an_undefined_figure_is_no_zero() -> None:
    assert terms.number(None) == terms.number(math.nan) == terms.number(math.inf) == "–"
    assert terms.number(-0.001) == "0.00" and terms.number(-0.25) == "−0.25"
    assert terms.number(0.1234, "share") == "12.3\u00a0%" and terms.number(-0.0001, "share") == "0.0\u00a0%"
    assert terms.interval((0.1, math.nan)) == "" == terms.interval(None)
    assert terms.interval((-0.1, 0.2), "share") == "−10.0 to 20.0\u00a0%"
    assert terms.figure(NOTHING) == "–" and terms.short(1.0) == "1" and terms.short(-0.5) == "−.50"
    assert terms.corrected(None) == "–" and terms.corrected(0.0001) == "< 0.001" and terms.corrected(0.0123) == "0.012"


def test_one_evaluator_has_nobody_to_agree_with() -> None:
    text = read(stability_html(report(("alone",), tau_matrix=((1.0,),)))).text
    assert "Who agrees with whom" not in text and "Agreement, group by group" in text


# ---------------------------------------------------------------- data is never markup


def hostile() -> StabilityReport:
    names = tuple(f"{at}{EVIL}" for at in range(3))
    plain = report(names)
    bias = plain.bias.model_copy(update={"named": (EVIL,), "polarity": {EVIL: fig(0.1)}})
    design = plain.design.model_copy(update={"unavailable": {EVIL: (EVIL,)}, "axes": {EVIL: 1}})
    return plain.model_copy(
        update={
            "bias": bias,
            "design": design,
            "sentence": EVIL,
            "reasons": (EVIL,),
            "caveat": EVIL,
            "axes": {EVIL: axis(0.3), **plain.axes},
            "components": {EVIL: Component(variance=1.0, share=0.5)},
            "agreement": {EVIL: 0.5},
            "group_tau": {EVIL: 0.2},
            "unstable": (unstable(names, EVIL * 20, EVIL).model_copy(update={"rollouts": (EVIL, EVIL, EVIL)}),),
            "d_study": tuple(panel.model_copy(update={"levels": {EVIL: 2}}) for panel in plain.d_study),
        }
    )


def test_nothing_is_loaded_run_or_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    page = stability_html(hostile().model_copy(update={"sentence": f"{EVIL} {KEY}"}))
    reader = read(page)
    assert not {"script", "img", "link", "iframe", "object", "form", "input", "a"} & set(reader.tags)
    loading = {
        (tag, name) for tag, name, _ in reader.attributes if name in ("src", "href", "srcset") or name[:2] == "on"
    }
    assert not loading and not re.search(r"url\(|@import", page)
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in reader.attributes
    assert "<script>alert(1)</script>" in reader.text, "as text"
    assert KEY not in page and words.HIDDEN in page
    for plot in re.findall(r"<svg viewBox=\"0 0 400.*?</svg>", page, re.DOTALL):
        svg(plot)
        assert "\u202e" not in plot


def test_markdown_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    text = stability_markdown(hostile().model_copy(update={"sentence": f"{EVIL} {KEY}"}))
    assert not re.search(r"<[a-z/!]", text) and "](" not in text
    assert KEY not in text and words.HIDDEN in text
    for block in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert len([line for line in headings if line.startswith("## ")]) == 8, headings


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=40))
def test_no_name_changes_a_page(name: str) -> None:
    expected = read(stability_html(report(("one", "two", "three")))).tags
    names = (name, f"{name}2", f"{name}3")
    assert read(stability_html(report(names))).tags == expected


@given(st.text(max_size=60), st.integers(3, 30))
def test_text_is_one_line_of_text(data: str, limit: int) -> None:
    line = stability_text.text(data)
    assert "\n" not in line and "\r" not in line and "<" not in line
    assert not re.search(r"(?<!\\)(\\\\)*[|`*]", line)
    assert not re.match(r"[-+=#>]|\d+[.)]", line)
    cut = terms.middle(data, limit)
    assert len(cut) <= limit and (cut == data or (cut[0], cut[-1]) == (data[0], data[-1]))


# ---------------------------------------------------------------- size, Markdown


def test_a_large_report_stays_a_readable_page() -> None:
    names = tuple(f"model-{at} · a wording of its own" for at in range(40))
    groups = tuple(unstable(names, "Word after word after word. " * 60, f"group {at}") for at in range(10))
    page = stability_html(report(names, unstable=groups, group_tau={f"g{at}": at / 2000 for at in range(2000)}))
    assert 200_000 < len(page.encode()) <= LARGEST
    text = read(page).text
    assert "What 38 other evaluators said" in text and re.search(r"\d+ evaluators left out|\d+ more evaluators", text)


def test_markdown_says_what_the_page_says() -> None:
    text = stability_markdown(report())
    assert "*Stable is not correct: judges can agree and all be wrong.*" in text
    meaning = terms.MEASURES[0].meaning
    assert f"| rank agreement, tau_b | {meaning} | 0.42 (0.38 to 0.46) | 0.40 (0.36 to 0.44) |" in text
    assert "| compared | evaluator pairs, in how many groups | 3 in 58 | 3 in 58 |" in text
    assert re.search(r"\| by shuffling alone \| [^|]+ \| 0.09 \| 0.09 \|", text)
    assert re.search(r"\| corrected p \| [^|]+ \| 0.002 \| 0.002 \|", text)
    assert "| 1 mini · default | · | −0.10 | −0.10 |" in text
    assert "The cheapest panel that reaches 0.8: 4 wordings x 1 seed, 4 calls a rollout: 0.81." in text
    assert "- **length: scores go with length.**" in text and "| 3 | 40.0\u00a0% | 90.0\u00a0% |" in text
    assert "### crates: tau_b −0.40" in text and "- mini · strict on 1: It shows its work." in text
    assert "42 groups would teach, 18 would not; 52.0\u00a0% of the pairs count" in text
    many = stability_markdown(report(unstable=tuple(unstable(group=f"g{at}") for at in range(7))))
    assert "2 more groups left out." in many
    assert "## Who agrees with whom" not in stability_markdown(report(tuple("abcdefghijklmn")))
