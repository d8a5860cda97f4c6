"""The memory: its file, its edits, what is refused, what a person may change by hand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practice.config import write_yaml
from practice.errors import InputError
from practice.memory import (
    Bank,
    LeakIndex,
    apply_edits,
    check_edit,
    clean_text,
    diff,
    hand_edits,
    retrieve,
    says_the_same,
    search,
)
from practice.memory.bank import MAX_CANDIDATES
from practice.types import Edit, Experience, Task

NOTHING = LeakIndex([])


def bank(*texts: str, **statuses: str) -> Bank:
    """Lessons e1, e2, … of these texts; ``e2="candidate"`` sets a status."""
    experiences = [
        Experience.model_validate({"id": f"e{n}", "text": text, "status": statuses.get(f"e{n}", "active")})
        for n, text in enumerate(texts, 1)
    ]
    return Bank(bank="b", revision=3, experiences=tuple(experiences))


def texts(of: Bank) -> dict[str, str]:
    return {experience.id: experience.text for experience in of.active}


def refusal(edit: Edit, of: Bank, leaks: LeakIndex = NOTHING, max_words: int = 32, cap: int = 40) -> tuple[str, str]:
    found = check_edit(edit, of, leaks, max_words=max_words, cap=cap)
    return ("", "") if found is None else (found.reason, found.detail)


# ---------------------------------------------------------------- the file


def test_a_missing_file_is_an_empty_bank_of_its_name(tmp_path: Path) -> None:
    assert Bank.load(tmp_path / "sums.yaml") == Bank(bank="sums")


def test_a_bank_survives_its_file(tmp_path: Path) -> None:
    one = Experience(id="e1", text='Say "no": never yes', helpful=2, harmful=1, evidence=("practice/0/t/1",))
    two = Experience(id="e7", text="- 010 # not a number", status="retired")
    before = Bank(bank="b", revision=9, experiences=(one, two))
    write_yaml(tmp_path / "b.yaml", before.to_yaml())
    assert Bank.load(tmp_path / "b.yaml") == before
    assert list(before.to_yaml()) == ["bank", "revision", "experiences"]
    assert list(before.to_yaml()["experiences"][0]) == ["id", "text", "status", "helpful", "harmful", "evidence"]


def test_a_lesson_without_an_id_is_written_without_one(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text("experiences: [{text: one}, {id: e2, text: two}]")
    loaded = Bank.load(path)
    assert [next(iter(entry)) for entry in loaded.to_yaml()["experiences"]] == ["text", "id"]
    write_yaml(path, loaded.to_yaml())
    assert Bank.load(path) == loaded


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("bank: b\nexperiences:\n- {id: e1, text: a}\n- {id: e1, text: b}\n", 4, "experiences.1.id", "first in line 3"),
        ("bank: b\nexperiences:\n- id: e1\n  text: |\n    a\n    b\n", 4, "experiences.0.text", "2 lines"),
        ("bank: b\nexperiences:\n- id: e1\n  text: ' '\n", 4, "experiences.0.text", "empty"),
        ("bank: b\nexperiences:\n- id: e1\n  txt: a\n", 4, "experiences.0.txt", "text"),
        ("bank: b\nexperiences:\n- {id: e1, text: a, status: activ}\n", 3, "experiences.0.status", "active"),
        ("bank: b\nexperiences:\n- {id: e1, text: a, helpful: -1}\n", 3, "experiences.0.helpful", ""),
        ("bank: b\nexperiences:\n- {id: '+1', text: a}\n", 3, "experiences.0.id", "letters"),
        ("bank: b\nexperience: []\n", 2, "experience", "experiences"),
        ("- a\n- b\n", None, None, ""),
        ("bank: [\n", 2, None, "YAML"),
    ],
)
def test_a_bad_file_is_one_clear_error(
    tmp_path: Path, text: str, line: int | None, key: str | None, words: str
) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        Bank.load(path)
    error = caught.value
    assert error.file and error.file.endswith("b.yaml")
    assert words in str(error)
    if line is not None:
        assert (error.line, error.key) == (line, key)


def test_an_emptied_file_is_an_empty_bank(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    for text in ("", "bank: b\nexperiences:\n", "experiences: []\n"):
        path.write_text(text)
        assert Bank.load(path).experiences == ()


def test_two_experiences_can_not_share_an_id_nor_span_lines() -> None:
    with pytest.raises(ValueError, match="twice"):
        Bank(bank="b", experiences=(Experience(id="e1", text="a"), Experience(id="e1", text="b")))
    with pytest.raises(ValueError, match="one line"):
        Bank(bank="b", experiences=(Experience(id="e1", text="a\nb"),))


# ---------------------------------------------------------------- applying


def test_an_added_lesson_gets_an_id_that_was_never_given() -> None:
    start = bank("one thing", "another thing", e2="retired")
    after, changes = apply_edits(start, [Edit(op="add", id="e99", text="  - a new\n lesson ", evidence=("r1", "r1"))])
    assert after.experiences[-1] == Experience(id="e3", text="a new lesson", evidence=("r1",))
    assert (changes[0].id, changes[0].before) == ("e3", None)
    assert after.revision == 4
    assert apply_edits(start, [Edit(op="add", text="x y z")], reserved=10)[0].experiences[-1].id == "e11"


def test_revise_merge_retire_and_keep() -> None:
    start = bank("alpha", "beta", "gamma", "delta")
    e = {x.id: x for x in start.experiences}
    counted = start.replace(
        [e["e2"].model_copy(update={"helpful": 2, "evidence": ("r1",)}), e["e4"].model_copy(update={"harmful": 1})]
    )
    after, changes = apply_edits(
        counted,
        [
            Edit(op="keep", id="e1"),
            Edit(op="revise", id="e3", text="gamma two", evidence=("r9",)),
            Edit(op="merge", ids=("e2", "e4"), text="beta and delta", evidence=("r2", "r1")),
            Edit(op="retire", id="e1"),
        ],
    )
    assert texts(after) == {"e2": "beta and delta", "e3": "gamma two"}
    merged = after.get("e2")
    assert merged is not None and (merged.helpful, merged.harmful, merged.evidence) == (2, 1, ("r1", "r2"))
    assert [(change.edit.op, change.id, change.retired) for change in changes] == [
        ("revise", "e3", ()),
        ("merge", "e2", ("e4",)),
        ("retire", "e1", ("e1",)),
    ]
    assert [x.id for x in after.experiences] == ["e1", "e2", "e3", "e4"]
    assert after.next_id() == "e5"


def test_the_survivor_of_a_merger_is_the_id_that_is_named_alone() -> None:
    after, _ = apply_edits(bank("alpha", "beta"), [Edit(op="merge", id="e2", ids=("e1", "e2"), text="both")])
    assert texts(after) == {"e2": "both"}


def test_nothing_changed_is_the_same_bank() -> None:
    start = bank("alpha")
    assert apply_edits(start, [Edit(op="keep", id="e1")]) == (start, ())


@pytest.mark.parametrize("edit", [Edit(op="revise", id="e9", text="x"), Edit(op="retire"), Edit(op="retire", id="e2")])
def test_what_can_not_be_applied_is_an_error_and_never_an_add(edit: Edit) -> None:
    with pytest.raises(ValueError, match=r"e9|needs|retired"):
        apply_edits(bank("alpha", "beta", e2="retired"), [edit])


def test_the_digest_is_of_the_active_texts_in_order() -> None:
    start = bank("alpha", "beta", "gamma", e3="candidate")
    same = bank("alpha", "beta").replace([Experience(id="e1", text="alpha", helpful=5)])
    assert start.digest() == same.digest() != bank("beta", "alpha").digest()
    assert bank().digest() != start.digest()


# ---------------------------------------------------------------- candidates and counts


def test_an_indecisive_add_stays_a_candidate_and_is_promoted_when_proposed_again() -> None:
    start = bank("alpha lesson")
    after, changes = apply_edits(
        start, [Edit(op="add", text="Call it first.", evidence=("r1",)), Edit(op="revise", id="e1", text="other words")]
    )
    kept = start.keep_candidates(changes)
    assert texts(kept) == {"e1": "alpha lesson"} and [x.id for x in kept.candidates] == ["e2"]
    assert kept.digest() == start.digest() != after.digest() and kept.revision == start.revision + 1

    again = Edit(op="add", text="call it first", evidence=("r2",))
    assert refusal(again, kept) == ("", "")
    promoted, changes = apply_edits(kept, [again])
    assert texts(promoted) == {"e1": "alpha lesson", "e2": "call it first"}
    assert promoted.get("e2").evidence == ("r1", "r2")  # type: ignore[union-attr]
    still = kept.keep_candidates(changes)
    assert still.get("e2").status == "candidate" and len(still.experiences) == 2  # type: ignore[union-attr]


def test_without_a_new_text_nothing_is_kept() -> None:
    start = bank("alpha lesson")
    _, changes = apply_edits(start, [Edit(op="retire", id="e1")])
    assert start.keep_candidates(changes) is start


def test_the_oldest_candidates_make_room() -> None:
    start = Bank(bank="b")
    for n in range(MAX_CANDIDATES + 2):
        _, changes = apply_edits(start, [Edit(op="add", text=f"when rule {n} applies, answer {n * n}")])
        start = start.keep_candidates(changes)
    assert len(start.candidates) == MAX_CANDIDATES
    assert [x.id for x in start.of("retired")] == ["e1", "e2"]


def test_credit_goes_to_what_the_changes_brought_in() -> None:
    start = bank("alpha", "beta", "gamma")
    after, changes = apply_edits(
        start, [Edit(op="add", text="delta"), Edit(op="revise", id="e2", text="b"), Edit(op="retire", id="e3")]
    )
    counts = {x.id: (x.helpful, x.harmful) for x in after.credit(changes, 5, 2).experiences}
    assert counts == {"e1": (0, 0), "e2": (5, 2), "e3": (0, 0), "e4": (5, 2)}
    assert after.credit(changes, 5, 2).revision == after.revision


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit(op="add", text=" \n "), "needs a text"),
        (Edit(op="add", text="w " * 33), "33 words"),
        (Edit(op="revise", id="e22", text="x"), "does not hold"),
        (Edit(op="revise", id="e3", text="x"), "retired"),
        (Edit(op="revise", text="x"), "needs an id"),
        (Edit(op="revise", ids=("e1", "e2"), text="x"), "one id"),
        (Edit(op="merge", ids=("e1",), text="x"), "two different ids"),
        (Edit(op="merge", ids=("e1", "e1"), text="x"), "two different ids"),
        (Edit(op="merge", ids=("e1", "e2")), "needs a text"),
        (Edit(op="merge", ids=("e1", "e7"), text="x"), "'e7'"),
        (Edit(op="retire", id="e7"), "'e7'"),
        (Edit(op="retire"), "needs an id"),
        (Edit(op="keep", id="e7"), "'e7'"),
    ],
)
def test_invalid_edits_are_refused(edit: Edit, words: str) -> None:
    reason, detail = refusal(edit, bank("alpha", "beta", "gamma", e3="retired"))
    assert reason == "invalid" and words in detail


def test_a_full_bank_takes_no_more_but_may_change_and_shrink() -> None:
    full = bank("alpha", "beta", "gamma", e3="candidate")
    assert "merge or retire first" in refusal(Edit(op="add", text="delta"), full, cap=2)[1]
    assert "merge or retire first" in refusal(Edit(op="revise", id="e3", text="delta"), full, cap=2)[1]
    for edit in (
        Edit(op="revise", id="e1", text="delta"),
        Edit(op="merge", ids=("e1", "e2"), text="delta"),
        Edit(op="retire", id="e1"),
    ):
        assert refusal(edit, full, cap=2) == ("", "")
    # A cap that was lowered below what the bank holds does not stop it from being improved.
    assert refusal(Edit(op="revise", id="e1", text="delta"), full, cap=1) == ("", "")
    assert refusal(Edit(op="add", text="delta"), full, cap=3) == ("", "")


def test_duplicates_are_refused() -> None:
    start = bank("When you need arithmetic, call the calculator once.", "Answer in metres.", "Later.", e3="candidate")
    twin = "when you need arithmetic call calculator once"
    assert refusal(Edit(op="add", text=twin), start)[0] == "duplicate"
    assert refusal(Edit(op="revise", id="e2", text=twin), start)[0] == "duplicate"
    assert refusal(Edit(op="revise", id="e2", text="Answer in metres."), start)[0] == "duplicate"
    assert refusal(Edit(op="revise", id="e2", text="later"), start)[0] == "duplicate"
    assert refusal(Edit(op="revise", id="e1", text=twin), start) == ("", "")
    assert refusal(Edit(op="merge", ids=("e1", "e2"), text=twin), start) == ("", "")


def test_a_text_is_cleaned_before_it_is_counted() -> None:
    assert clean_text(" 1. Do\n\tthis ") == "Do this"
    assert clean_text("- 5 is odd") == "5 is odd"
    assert clean_text("1.5 litres") == "1.5 litres"


# ---------------------------------------------------------------- sameness


SAME = [
    ("Call the calculator.", "call the calculator"),
    ("Always call the calculator before answering.", "Call a calculator before you answer!"),
    ("If a problem needs arithmetic, use the tool", "When a problem needs arithmetic use the tool"),
    ("Don't compute in your head.", "Do not compute in your head"),
    (
        "When a problem needs any arithmetic, first call the calculator with one expression, then answer.",
        "When a problem needs any arithmetic, first call the calculator tool with one expression, then answer.",
    ),
    ("Check the units of each quantity", "Check the units of each quantities."),
    ("Ｃall it", "call it"),  # noqa: RUF001
]
DIFFERENT = [
    ("When rule 3 applies, answer red.", "When rule 4 applies, answer red."),
    ("When rule three applies, answer red.", "When rule four applies, answer red."),
    ("Round to 2.5 places always in the end", "Round to 25 places always in the end"),
    ("Call the calculator.", "Never call the calculator."),
    ("Do not call the calculator", "Do call the calculator"),
    ("Call the calculator before answering.", "Call the calculator after answering."),
    ("First call the tool, then answer.", "First answer, then call the tool."),
    ("Multiply the price by the count.", "Divide the price by the count."),
    ("Compute price * count", "Compute price + count"),
    ("Compute a - b", "Compute a b"),
    ("Choose option B when unsure about everything here", "Choose option C when unsure about everything here"),
    ("Choose option A when unsure", "Choose option B when unsure"),
    ("Answer yes when the sum is even", "Answer no when the sum is even"),
    ("Sort in ascending order", "Sort in descending order"),
    ("Use the calculator", "Use the calendar"),
    ("Call the calculator once", "Call the calculator twice"),
    ("Answer with the result only", "Answer with the result"),
    ("Write the answer as an integer or as a fraction", "Write the answer as an integer and as a fraction"),
    ("Call it", "Call it with one expression that holds the whole computation"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_the_same_lesson_in_other_clothes(a: str, b: str) -> None:
    assert says_the_same(a, b) and says_the_same(b, a)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_lessons_that_differ_in_what_matters(a: str, b: str) -> None:
    assert not says_the_same(a, b) and not says_the_same(b, a)


WORDS = st.lists(
    st.sampled_from(["when", "the", "total", "price", "needs", "arithmetic", "call", "calculator", "answer", "unit"]),
    min_size=3,
)


@given(WORDS, st.integers(0, 999), st.integers(0, 999), st.data())
def test_another_number_is_another_lesson(words: list[str], one: int, two: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(words)))
    a, b = (" ".join([*words[:at], str(number), *words[at:]]) for number in (one, two))
    assert says_the_same(a, b) == (one == two)


@given(WORDS, st.data())
def test_a_negation_is_another_lesson(words: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(words)))
    assert not says_the_same(" ".join(words), " ".join([*words[:at], "never", *words[at:]]))


@given(WORDS, st.data())
def test_case_fillers_and_punctuation_make_no_other_lesson(words: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(words)))
    other = [*words[:at], data.draw(st.sampled_from(["the", "please", "always", ","])), *words[at:]]
    assert says_the_same(" ".join(words), f"{' '.join(other).upper()}!")


# ---------------------------------------------------------------- leaks


INPUT = "A shop sells jackets for 50.00 euros and takes 5 percent off the bill of Olga"


def index(*tasks: tuple[str, str | None], instructions: str = "") -> LeakIndex:
    return LeakIndex([Task(id=str(n), input=i, answer=a) for n, (i, a) in enumerate(tasks)], instructions)


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("when a shop sells jackets for 50.00 euros, multiply", True),
        ("When A SHOP, sells; jackets -- for 50,00 euros: multiply", True),
        ("when a shop sells jackets for euros and takes percent off, multiply", False),
        ("a shop sells jackets for 50.", False),
        ("the result is 6175", True),
        ("the result is 6,175.", True),
        ("the result is 61750", False),
        ("the result is (6175)!", True),
        ("answer Blue Whale in such a case", True),
        ("a whale that is blue", False),
        ("say red", False),
        ("use the calculator", False),
        ("answer with ++++ alone", True),
        ("the price is 1000", True),
    ],
)
def test_what_gives_a_task_away(text: str, leaks: bool) -> None:
    found = index((INPUT, "6175"), ("q", "blue whale"), ("q", "red"), ("q", "++++"), ("q", "1,000"), ("q", None))
    assert bool(found.find(text)) == leaks


def test_what_the_instructions_say_is_no_leak() -> None:
    found = index(("q", "maybe"), ("q", "Blue Whale"), instructions="Answer with maybe, or with: blue whale.")
    assert found.find("answer maybe or blue whale") == ""
    assert index(("q", "maybe"), instructions="maybes").find("answer maybe") != ""


def test_a_leak_is_refused_and_named() -> None:
    reason, detail = refusal(Edit(op="add", text="then say 6175"), bank(), index((INPUT, "6175")))
    assert reason == "leak" and "6175" in detail
    assert refusal(Edit(op="retire", id="e1"), bank("say 6175"), index((INPUT, "6175"))) == ("", "")


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), st.integers(0, 40), st.integers(1, 12))
def test_eight_words_of_an_input_leak_and_seven_do_not(letters: list[str], start: int, length: int) -> None:
    words = [f"{letter}{n}" for n, letter in enumerate(letters)]  # all different
    part = words[start : start + length]
    assert bool(index((" ".join(words), None)).find(f"before {', '.join(part)} after")) == (len(part) >= 8)


@given(st.text(alphabet="abc1 .,'", min_size=1, max_size=8), st.sampled_from(["say {}", "{}", "({}) is it"]))
def test_an_answer_of_four_characters_leaks_wherever_it_stands(answer: str, frame: str) -> None:
    held = any(character.isalnum() for character in answer)
    if held:
        assert bool(index(("q", answer)).find(frame.format(answer))) == (len(answer.strip()) >= 4)


def test_twenty_thousand_tasks_are_indexed_once() -> None:
    words = [f"w{n}" for n in range(3000)]
    draw = random.Random(0)
    tasks = [(" ".join(draw.choices(words, k=60)), str(10_000 + n)) for n in range(20_000)]
    found = index(*tasks)
    assert all(found.find(f"it is {answer}") for _, answer in tasks[::500])
    assert all(found.find(" ".join(text.split()[20:28])) for text, _ in tasks[::500])
    assert not any(found.find(" ".join(draw.choices(words, k=30))) for _ in range(500))


# ---------------------------------------------------------------- search


def test_search_finds_the_rare_word_first_and_breaks_ties_by_place() -> None:
    lessons = bank("call the calculator", "call the oracle", "call the calculator", "sleep", "oracle", e5="retired")
    assert [x.id for x, _ in search(lessons, "Oracle?")] == ["e2"]
    assert [x.id for x, _ in search(lessons, "call calculator")] == ["e1", "e3", "e2"]
    assert search(lessons, "call calculator", 1)[0][0].id == "e1"
    assert search(lessons, "nothing") == () == search(bank(), "call") == search(lessons, "")


def test_retrieve_keeps_the_banks_order_and_fills_with_what_helped() -> None:
    lessons = bank("general one", "about trains", "general two", "about trains and tickets", "trains", e5="candidate")
    liked = lessons.replace([Experience(id="e3", text="general two", helpful=3)])
    assert [x.id for x in retrieve(liked, "tickets for trains", 2)] == ["e2", "e4"]
    assert [x.id for x in retrieve(liked, "tickets for trains", 3)] == ["e2", "e3", "e4"]
    assert retrieve(liked, "anything", 10) == liked.active


# ---------------------------------------------------------------- by hand


def test_what_a_person_changed_is_imported() -> None:
    known = bank("alpha lesson", "beta lesson", "gamma lesson", "delta lesson").replace(
        [Experience(id="e1", text="alpha lesson", helpful=3, evidence=("r1",))]
    )
    file = Bank(
        bank="b",
        revision=3,
        experiences=(
            Experience(id="e3", text="gamma lesson"),
            Experience(id="e1", text="alpha better"),
            Experience(id="+3", text="a new one"),
            Experience(id="e4", text="delta lesson", status="retired"),
            Experience(id="e6", text="a number that was used"),
            Experience(id="mine", text="an id of my own"),
        ),
    )
    merged, changes = hand_edits(known, file, reserved=8)
    assert texts(merged) == {
        "e3": "gamma lesson",
        "e1": "alpha better",
        "e9": "a new one",
        "e10": "a number that was used",
        "mine": "an id of my own",
    }
    assert merged.get("e1") == Experience(id="e1", text="alpha better", helpful=3, evidence=("r1",))
    assert [x.id for x in merged.of("retired")] == ["e4", "e2"]
    assert merged.revision == known.revision + 1
    assert len(changes) == 7 and "revised e1: alpha better" in changes and "another order" in changes
    assert hand_edits(merged, merged, reserved=10) == (merged, ())


def test_counts_belong_to_the_program() -> None:
    known = bank("alpha")
    file = known.replace([Experience(id="e1", text="alpha", helpful=99, evidence=("made up",))])
    assert hand_edits(known, file) == (known, ())


def test_a_file_without_a_history_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text("revision: 2\nexperiences:\n- {text: first}\n- {id: e5, text: second, helpful: 2}\n")
    merged, changes = hand_edits(Bank(bank="b"), Bank.load(path))
    assert changes == () and merged.revision == 2
    assert [(x.id, x.text, x.helpful) for x in merged.active] == [("e6", "first", 0), ("e5", "second", 2)]


def test_diff_tells_each_change_once() -> None:
    a = bank("alpha", "beta", "gamma")
    b, _ = apply_edits(a, [Edit(op="retire", id="e1"), Edit(op="revise", id="e2", text="b"), Edit(op="add", text="d")])
    assert diff(a, a) == ()
    assert diff(a, b) == ("retired e1", "revised e2: b", "added e4: d")
    assert diff(b, b.credit((), 0, 0)) == ()


EDITS = st.builds(
    Edit,
    op=st.sampled_from(["add", "revise", "merge", "retire", "keep"]),
    id=st.sampled_from([None, "e1", "e2", "e3", "e4", "e9"]),
    ids=st.lists(st.sampled_from(["e1", "e2", "e3", "e5"]), max_size=3).map(tuple),
    text=st.sampled_from(["", "call it", "call it 1", "call it 2", "say so", "w " * 40, "alpha"]),
)


@given(st.lists(EDITS, max_size=12), st.integers(2, 5))
def test_whatever_is_proposed_the_bank_stays_sound(edits: list[Edit], cap: int) -> None:
    """Every edit that passes its check can be applied; ids stay, caps hold, nothing active is said twice."""
    start = bank("alpha", "beta")
    now = start
    for edit in edits:
        if check_edit(edit, now, NOTHING, max_words=32, cap=cap) is None:
            now, _ = apply_edits(now, [edit])
    assert len(now.active) <= max(cap, len(start.active))
    assert {x.id for x in start.experiences} <= {x.id for x in now.experiences}
    active = [x.text for x in now.active]
    assert not any(says_the_same(a, b) for n, a in enumerate(active) for b in active[:n])
    assert Bank.model_validate_json(now.model_dump_json()) == now
