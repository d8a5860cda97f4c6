from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from practice import advantage
from practice.advantage.contrast import SAME, Table, facts_of
from practice.advantage.merge import edits_shape
from practice.advantage.recipe import Recipe
from practice.advantage.teacher import MOST_TEXT, pair, transcript
from practice.config import Settings
from practice.errors import CallFailed
from practice.memory import Bank
from practice.types import CallKey, Completion, Experience, Fact, Group, Lesson, Request, Rollout, Task
from tests.test_features import calls, rollout

KEY = CallKey(phase="practice", stage="advantage", task="t")
MERGE = CallKey(phase="practice", stage="merge", task="batch:0")


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({"name": "n", "agent": "agents/a.yaml", "tasks": {"practice": "t.jsonl"}, **changes})


def group(*tried: tuple[Rollout, float | None], task: str = "t", counted: Any = None) -> Group:
    rollouts = tuple(
        r.model_copy(update={"id": f"practice/0/{task}/{i}", "task_id": task, "attempt": i})
        for i, (r, _) in enumerate(tried)
    )
    return Group(
        task=Task(id=task, input=f"Task {task}?", answer="7777"),
        rollouts=rollouts,
        verdicts=(),
        rewards=tuple(reward for _, reward in tried),
        counted=counted,
    )


CALLED = rollout(calls(("12*3", "36")), "Answer: 36")
TALKED = rollout("12 * 3 = 37.\nAnswer: 37")
TWICE = rollout(calls(("12*3", "36")), calls(("36*2", "72")), "Answer: 72")


def history(n: int = 12) -> list[Group]:
    """Right: one clean call. Wrong: a calculation in the text, or a second call on the first one's result."""
    return [group((CALLED, 1.0), (TALKED, 0.0), (CALLED, 1.0), (TWICE, 0.0), task=f"t{i}") for i in range(n)]


class Teacher:
    """Answers each stage by a function of the request's text; keeps keys and texts."""

    def __init__(self, answer: Callable[[CallKey, str], object]) -> None:
        self.answer = answer
        self.asked: list[tuple[CallKey, str]] = []

    async def __call__(self, key: CallKey, request: Request) -> Completion:
        text = "\n".join(message.content for message in request.messages)
        self.asked.append((key, text))
        reply = self.answer(key, text)
        return Completion(content=reply if isinstance(reply, str) else json.dumps(reply))


def lessons(*texts: str) -> dict[str, object]:
    return {"better": "b", "worse": "w", "lessons": [{"text": text} for text in texts]}


def edits(*texts: str) -> dict[str, object]:
    return {"edits": [{"op": "add", "id": None, "text": text} for text in texts]}


def learn(teacher: Teacher, of: Group, facts: Sequence[Fact] = (), **changes: Any) -> tuple[Lesson, ...]:
    return asyncio.run(advantage.learn(teacher, KEY, of, facts, settings(**changes)))


def propose(
    teacher: Teacher, found: Sequence[Lesson], groups: Sequence[Group] = (), bank: Bank | None = None, **k: Any
):
    chosen = settings(**k)
    facts = advantage.behaviour(groups, chosen)
    return asyncio.run(advantage.propose(teacher, MERGE, bank or Bank(bank="b"), found, facts, groups, chosen))


def lesson(text: str, *evidence: str) -> Lesson:
    return Lesson(task_id="t", text=text, evidence=evidence)


# ---------------------------------------------------------------- figures


def test_numeric_advantages() -> None:
    values = advantage.numeric(group((CALLED, 1.0), (TALKED, 0.0), (TALKED, None), (CALLED, 1.0))).values
    assert values[2] is None
    assert values[0] == values[3] == pytest.approx(0.5**0.5) and values[1] == pytest.approx(-(2**0.5))
    assert advantage.numeric(group((CALLED, 1.0), (CALLED, 1.0))).values == (0.0, 0.0)
    assert advantage.numeric(group((CALLED, None))).values == (None,)


def test_without_ground_truth_agreement_stands_for_reward() -> None:
    seen = advantage.silver(group((CALLED, 0.0), (TALKED, 1.0), (CALLED, 0.0), (TWICE, None)))
    assert seen.rewards == (1.0, 0.0, 1.0, None) and seen.task.answer is None
    assert advantage.silver(group((CALLED, 1.0), (TALKED, 0.0))).kind == "unscored"


# ---------------------------------------------------------------- facts


def test_facts_count_and_name_the_behaviour() -> None:
    facts = {fact.feature: fact for fact in advantage.contrast(history())}
    once = facts["once:calculator"]
    assert advantage.sentence(once) == "called calculator exactly once: right 24 of 24; did not: 0 of 24"
    assert once.difference == 1.0 and once.q < 1e-6 and once.p <= once.q
    assert once.do == "call calculator exactly once"


def test_a_behaviour_that_goes_with_failure_is_told_as_what_to_avoid() -> None:
    tried = [group((CALLED, 1.0), (TALKED, 0.0), (rollout("36"), 1.0), (TALKED, 0.0), task=f"t{i}") for i in range(8)]
    (fact,) = [fact for fact in advantage.contrast(tried) if fact.feature == "calculates"]
    assert fact.difference == -1.0 and fact.do == "do not calculate yourself"
    assert advantage.sentence(fact) == "calculated in the text of a reply: right 0 of 16; did not: 16 of 16"


def test_facts_are_sorted_by_strength() -> None:
    facts = advantage.contrast(history())
    assert [fact.p for fact in facts] == sorted(fact.p for fact in facts)


def test_a_hard_task_does_not_pass_for_a_bad_habit() -> None:
    """Everybody talks on the hard task and calls on the easy one: within tasks, nothing differs."""
    hard = [group(*[(TALKED, 0.0)] * 4, task=f"h{i}") for i in range(6)]
    easy = [group(*[(CALLED, 1.0)] * 4, task=f"e{i}") for i in range(6)]
    assert advantage.contrast([*hard, *easy]) == ()


def test_chance_is_not_called_significant() -> None:
    """Rewards that alternate over identical behaviour in every group."""
    mixed = [group((CALLED, 1.0), (CALLED, 0.0), (TALKED, 1.0), (TALKED, 0.0), task=f"t{i}") for i in range(10)]
    assert all(fact.q == 1.0 for fact in advantage.contrast(mixed))
    assert advantage.find_recipe(mixed) is None


def test_behaviours_that_always_come_together_are_told_once() -> None:
    names = {
        fact.feature
        for fact in advantage.contrast([group((CALLED, 1.0), (TALKED, 0.0), task=str(i)) for i in range(8)])
    }
    assert names == {"called:calculator"}
    table = Table((0, 0), (1.0, 0.0), ("a", "b"), {"x": (True, False)})
    assert SAME < 1 and len(facts_of(table, least=1)) == 1


def test_facts_of_one_group() -> None:
    assert advantage.sentence(advantage.within(history(1)[0])[0]).endswith("right 2 of 2; did not: 0 of 2")
    assert advantage.contrast(history(1)) == ()  # too few to test


def test_unscored_attempts_count_nowhere() -> None:
    some = [group((CALLED, 1.0), (CALLED, None), (TALKED, 0.0), task=f"t{i}") for i in range(6)]
    assert {(fact.with_n, fact.without_n) for fact in advantage.contrast(some)} == {(6, 6)}


# ---------------------------------------------------------------- the recipe


def test_the_recipe_is_the_procedure_of_those_who_succeed() -> None:
    recipe = advantage.find_recipe(history())
    assert recipe is not None and (recipe.right, recipe.n, recipe.other_right, recipe.other_n) == (24, 24, 0, 24)
    assert recipe.q < 1e-4 and recipe.evidence[0] == "practice/0/t0/0" and len(recipe.evidence) == 10
    text = advantage.render(recipe)
    assert text is not None and text.startswith("When ") and len(text.split()) <= 32 and "calculator" in text


def _fact(feature: str, do: str, p: float = 0.001, difference: float = 0.8) -> Fact:
    return Fact(
        feature=feature, says=do, do=do, with_right=9, with_n=10, without_right=1, without_n=10,
        difference=difference, ci=(0.5, 0.9), p=p, q=p,
    )  # fmt: skip


def _recipe(*parts: Fact) -> Recipe:
    return Recipe(parts=parts, right=9, n=10, other_right=1, other_n=10, difference=0.8, q=0.01, evidence=("a",))


def test_a_recipe_in_words_for_any_tool() -> None:
    parts = (
        _fact("only_call:search", "first reply with only the search call"),
        _fact("once:search", "call search exactly once"),
        _fact("reports:search", "answer with the result search returns"),
    )
    assert advantage.render(_recipe(*parts), when="a question comes in") == (
        "When a question comes in, first reply with only the search call, call it exactly once, "
        "then answer with the result it returns."
    )
    note = _fact("calculates", "do not calculate yourself", difference=-0.8)
    assert advantage.render(_recipe(*parts[:1], note), instead=True) == (
        "When you get a task, do not work it out yourself: first reply with only the search call."
    )
    assert advantage.render(_recipe(*parts[1:2], note), instead=True) == (
        "When you get a task, do not calculate yourself: call search exactly once."
    )
    assert advantage.render(_recipe(*parts[:1], note)) == (
        "When you get a task, first reply with only the search call; do not calculate yourself."
    )
    assert advantage.render(_recipe(*parts[::2]), instead=True) == (
        "When you get a task, do not work it out yourself: first reply with only the search call, "
        "then answer with the result it returns."
    )
    assert advantage.render(_recipe(note)) == "When you get a task, do not calculate yourself."


def test_a_tool_is_named_once() -> None:
    parts = (
        _fact("beside:f", "write nothing beside the call of f", difference=-0.8),
        _fact("only_call:f", "first reply with only the f call"),
        _fact("whole:f", "put the whole calculation in one call of f"),
    )
    assert advantage.render(_recipe(*parts)) == (
        "When you get a task, write nothing beside the call of f, first reply with only the call, "
        "then put the whole calculation in one call."
    )


def test_what_always_comes_with_a_part_completes_the_procedure() -> None:
    """Calling and reporting the result are one column: told once as a fact, twice in the procedure."""
    groups = [group((CALLED, 1.0), (TALKED, 0.0), (CALLED, 1.0), (TALKED, 0.0), task=str(i)) for i in range(8)]
    recipe = advantage.find_recipe(groups)
    assert recipe is not None
    assert {part.feature for part in recipe.parts} >= {"called:calculator", "reports:calculator"}
    assert (advantage.render(recipe) or "").endswith("then answer with the result it returns.")


def test_a_refinement_that_makes_no_difference_is_left_out() -> None:
    """Who calls is right, list or no list: lists go with failure only since those write them who do not call."""
    listed = rollout("- 12 * 3 = 37\nAnswer: 37")
    ways = [rollout(calls(("12*3", "36"), content=text), "Answer: 36") for text in ("", "One step.", "- one step")]
    groups = [
        group((ways[i % 3], 1.0), (listed, 0.0), (ways[(i + 1) % 3], 1.0), (listed, 0.0), task=str(i))
        for i in range(12)
    ]
    facts = {fact.feature for fact in advantage.contrast(groups) if fact.q <= 0.05}
    recipe = advantage.find_recipe(groups)
    assert "list" in facts and recipe is not None
    assert "list" not in {part.feature for part in recipe.parts}


def test_an_agent_is_told_how_to_begin() -> None:
    recipe = _recipe(_fact("called:f", "call f"), _fact("reports:f", "answer with the result f returns"))
    definite = _fact("only_call:f", "first reply with only the f call")
    assert advantage.opened(recipe, [definite]).parts[0] == definite
    for weak in (definite.model_copy(update={"q": 0.2}), definite.model_copy(update={"difference": -0.5})):
        assert advantage.opened(recipe, [weak]) == recipe
    assert advantage.opened(recipe, [_fact("only_call:g", "first reply with only the g call")]) == recipe


def test_the_weakest_part_goes_where_words_are_few() -> None:
    recipe = _recipe(
        _fact("once:f", "call f exactly once", p=0.001), _fact("asks", "do not end with a question", p=0.04)
    )
    assert advantage.render(recipe, max_words=12) == "When you get a task, call f exactly once."
    assert advantage.render(recipe, max_words=5) is None


# ---------------------------------------------------------------- one group, in words


def test_a_mixed_group_is_contrasted_with_the_facts_in_front() -> None:
    teacher = Teacher(lambda key, text: lessons("When a, do b.", "When a,  do b.", "When c, do d.", "When e, do f."))
    found = learn(teacher, history(1)[0], advantage.contrast(history()))
    assert [item.text for item in found] == ["When a, do b.", "When c, do d."]
    assert found[0].evidence == ("practice/0/t0/0", "practice/0/t0/1") and found[0].weight == 1.0
    (key, text), *rest = teacher.asked
    assert not rest and (key.stage, key.step) == ("advantage", 0)
    assert "right 24 of 24" in text and "in this group" in text and "Correct answer: 7777" in text
    assert "Answer: 36" in text and "12 * 3 = 37.\nAnswer: 37" in text
    assert "calculator(12*3), which returned 36" in text


def test_what_does_not_parse_is_repaired_once_and_then_a_failure() -> None:
    teacher = Teacher(lambda key, text: lessons("When a, do b.") if key.step else "I think it is fine")
    assert [item.text for item in learn(teacher, history(1)[0])] == ["When a, do b."]
    assert [key.step for key, _ in teacher.asked] == [0, 1]
    with pytest.raises(CallFailed):
        learn(Teacher(lambda key, text: "no"), history(1)[0])


def test_a_lesson_that_drowns_its_actions_is_made_of_them() -> None:
    def said(text: str, **parts: object) -> str:
        reply = {
            "lessons": [{"when": "a sum comes up", "do": ["Call f.", "answer with its result"], "text": text} | parts]
        }
        return learn(Teacher(lambda key, _: reply), history(1)[0])[0].text

    assert said("When x, do y.") == "When x, do y."
    composed = "When a sum comes up, call f, then answer with its result."
    assert said("It is important to be careful.") == said("When " + "x " * 40) == composed
    assert said("", when="Whenever Lists come up:") == "When lists come up, call f, then answer with its result."
    assert said("It matters.", do=[]) == said("It matters.", when="") == "It matters."
    long = said("", do=["call f", "answer " + "x " * 30])
    assert long == "When a sum comes up, call f."


def test_ground_truth_false_hides_answer_and_reward() -> None:
    of = group((CALLED, 0.0), (TALKED, 1.0), (CALLED, 0.0))
    hidden = settings(practice={"ground_truth": False})
    assert advantage.why_not(of, hidden) == ""
    teacher = Teacher(lambda key, text: lessons("When a, do b."))
    found = learn(teacher, of, practice={"ground_truth": False})
    text = teacher.asked[0][1]
    assert "7777" not in text and "Correct answer" not in text
    # The better attempt is the one that most agree with, whatever its reward.
    assert found[0].evidence == ("practice/0/t/0", "practice/0/t/1")
    assert (
        advantage.behaviour([of] * 6, hidden)[0].difference
        > 0
        > advantage.behaviour([of] * 6, settings())[0].difference
    )
    alike = group((CALLED, 1.0), (CALLED, 0.0))
    assert "without ground truth" in advantage.why_not(alike, hidden)


def test_which_groups_teach() -> None:
    wrong, right = group((TALKED, 0.0), (TALKED, 0.0)), group((CALLED, 1.0), (CALLED, 1.0))
    assert advantage.why_not(right, settings()) and advantage.why_not(wrong, settings())
    assert advantage.why_not(wrong, settings(practice={"learn_from_all_wrong": True})) == ""
    both = {"learn_from_all_wrong": True, "ground_truth": False}
    assert advantage.why_not(wrong, settings(practice=both))
    assert advantage.why_not(group((CALLED, None)), settings())
    assert "judges" in advantage.why_not(group((CALLED, 1.0), (TALKED, 0.0), counted=()), settings())


def test_all_wrong_groups_learn_from_the_answer() -> None:
    teacher = Teacher(lambda key, text: {"lessons": [{"text": "When a, do b."}]})
    found = learn(teacher, group((TALKED, 0.0), (TALKED, 0.0)), practice={"learn_from_all_wrong": True})
    assert found and "all 2 attempts were wrong" in teacher.asked[0][1] and "7777" in teacher.asked[0][1]


@pytest.mark.parametrize(
    ("truth", "said"), [(True, "only attempt, and it was wrong"), (False, "nobody knows yet whether it is right")]
)
def test_a_group_of_one_reflects(truth: bool, said: str) -> None:
    teacher = Teacher(lambda key, text: {"lessons": [{"text": "When a, do b."}]})
    changes: dict[str, Any] = {"rollouts": {"group_size": 1}, "practice": {"ground_truth": truth}}
    one = group((TALKED, 0.0))
    assert advantage.why_not(one, settings(**changes)) == ""
    found = learn(teacher, one, **changes)
    assert found[0].evidence == ("practice/0/t/0",)
    assert said in teacher.asked[0][1] and "nothing to compare" in teacher.asked[0][1]
    assert ("7777" in teacher.asked[0][1]) is truth


def test_only_pairs_that_the_gate_counts_are_shown() -> None:
    of = group((CALLED, 1.0), (TWICE, 0.0), (TALKED, 0.4), counted=((0, 2),))
    assert pair(of, ()) == (0, 2)
    teacher = Teacher(lambda key, text: lessons("When a, do b."))
    assert learn(teacher, of)[0].weight == pytest.approx(1 / 3)
    assert pair(group((CALLED, 1.0), (TWICE, 0.0), (TALKED, 0.4)), ()) == (0, 1)


def test_the_pair_shows_what_the_facts_name() -> None:
    of = group((TALKED, 1.0), (CALLED, 1.0), (CALLED, 0.0), (TALKED, 0.0))
    assert pair(of, advantage.contrast(history())) == (1, 3)


def test_a_long_attempt_is_summarised_and_its_output_stays() -> None:
    long = rollout("word " * 600, "The end: 36")

    def answer(key: CallKey, text: str) -> object:
        return {"summary": "It rambled."} if key.stage == "summary" else lessons("When a, do b.")

    teacher = Teacher(answer)
    learn(teacher, group((long, 1.0), (TALKED, 0.0)))
    (summary, asked), (_, text) = teacher.asked
    assert (summary.stage, summary.attempt) == ("summary", 0) and "word word" in asked
    assert "It rambled." in text and "The end: 36" in text and "word word word word word word word " * 10 not in text
    assert len(transcript(long)) > 1500 and MOST_TEXT >= 1500
    speechless = Teacher(lambda key, text: "???" if key.stage == "summary" else lessons("When a, do b."))
    assert learn(speechless, group((long, 1.0), (TALKED, 0.0)))  # the program's own account stands in


# ---------------------------------------------------------------- candidates


def merging(*texts: str, when: str = "a sum comes up") -> Teacher:
    return Teacher(lambda key, text: {"when": when} if key.evaluator == "situation" else edits(*texts))


def test_candidates_are_worded_by_the_program_and_by_the_teacher() -> None:
    turns = iter(range(9))
    teacher = Teacher(
        lambda key, text: (
            {"when": "When a sum comes up."} if key.evaluator == "situation" else edits(f"When {next(turns)}, x.")
        )
    )
    found = propose(teacher, [lesson("When a, do b.", "r1")], history())
    assert [proposal.label for proposal in found] == ["facts-1", "facts-2", "teacher-1", "teacher-2"]
    assert all(len(edit.text.split()) <= 32 for proposal in found for edit in proposal.edits)
    assert found[0].edits[0].origin == "facts" and found[0].edits[0].evidence
    assert any(p.edits[0].text.startswith("When a sum comes up, ") for p in found[:2])
    assert found[2].edits[0].evidence == ("r1",)
    merges = [(key, text) for key, text in teacher.asked if not key.evaluator]
    assert [key.attempt for key, _ in merges] == [0, 1] and len({text for _, text in merges}) == 2
    assert all("When a, do b." in text and "right 24 of 24" in text for _, text in merges)


def test_a_teacher_without_a_situation_leaves_the_general_one() -> None:
    found = propose(merging("When a, do b."), [], history(), accept={"candidates": 4})
    assert any(p.edits[0].text.startswith("When a sum comes up, do not work it out yourself: ") for p in found)
    for useless in ("", "calculate", "When lot 12 comes", "a b c d e f g h i j k"):
        found = propose(merging("When a, do b.", when=useless), [], history())
        assert found and all(p.edits[0].text.startswith("When you get a task, ") for p in found)


def test_identical_proposals_are_one_and_keep_is_left_to_the_check() -> None:
    found = propose(
        merging("When a, do b.", "When c, do d."), [lesson("When a, do b.", "r1"), lesson("When c, do d.", "r2")]
    )
    assert [proposal.label for proposal in found] == ["teacher-1"]
    assert [edit.evidence for edit in found[0].edits] == [("r1",), ("r2",)]
    keeping = Teacher(lambda key, text: {"edits": [{"op": "keep", "id": "e1", "text": ""}]})
    [kept] = propose(keeping, [lesson("When a, do b.")])  # the memory's check drops it, or refuses an unknown id
    assert [(edit.op, edit.id) for edit in kept.edits] == [("keep", "e1")]


def test_the_merge_sees_the_bank_with_its_ids_and_may_name_them() -> None:
    bank = Bank(
        bank="b",
        experiences=(
            Experience(id="e1", text="When old, do old."),
            Experience(id="e2", text="Gone.", status="retired"),
        ),
    )
    reply = {
        "edits": [{"op": "revise", "id": "e1", "text": "When new, do new."}, {"op": "retire", "id": "e9", "ids": None}]
    }
    teacher = Teacher(lambda key, text: reply)
    (proposal,) = propose(teacher, [lesson("When a, do b.")], bank=bank)
    assert "e1: When old, do old." in teacher.asked[0][1] and "Gone." not in teacher.asked[0][1]
    # An unknown id is not ours to refuse or to mend: the memory's check logs it.
    assert [(edit.op, edit.id) for edit in proposal.edits] == [("revise", "e1"), ("retire", "e9")]


def test_too_long_an_edit_is_shortened_once_or_left_to_the_check() -> None:
    long = "When " + "very " * 40 + "long, stop."

    def answer(key: CallKey, text: str) -> object:
        return edits("When long, stop." if key.step >= 2 else long)

    (proposal,) = propose(Teacher(answer), [lesson("When a, do b.")], accept={"candidates": 1})
    assert proposal.edits[0].text == "When long, stop."
    (stubborn,) = propose(merging(long), [lesson("When a, do b.")], accept={"candidates": 1})
    assert stubborn.edits[0].text == " ".join(long.split())
    echo = "This lesson is too long. Say the same in at most 32 words, one sentence, and keep the actions."
    parrot = Teacher(lambda key, text: edits(echo if key.step >= 2 else long))
    (left,) = propose(parrot, [lesson("When a, do b.")], accept={"candidates": 1})
    assert left.edits[0].text == " ".join(long.split())


def test_a_merge_that_fails_leaves_the_others() -> None:
    teacher = Teacher(lambda key, text: "no" if key.attempt == 0 else edits("When a, do b."))
    (proposal,) = propose(teacher, [lesson("When a, do b.")])
    assert proposal.label == "teacher-2"
    with pytest.raises(CallFailed):
        propose(Teacher(lambda key, text: "no"), [lesson("When a, do b.")])


def test_no_lesson_no_merge_and_a_known_recipe_is_not_proposed_again() -> None:
    assert propose(merging(), []) == ()
    first, *_ = propose(merging(), [], history(), accept={"candidates": 1})
    bank = Bank(bank="b", experiences=(Experience(id="e1", text=first.edits[0].text),))
    assert propose(merging(), [], history(), bank, accept={"candidates": 1}) == ()


def test_the_merge_is_asked_only_for_edits_that_are_possible() -> None:
    empty = edits_shape(Bank(bank="b"))["properties"]["edits"]["items"]
    assert empty["properties"]["op"]["enum"] == ["add"] and "ids" not in empty["properties"]
    experiences = (
        Experience(id="e1", text="When a, do b."),
        Experience(id="e2", text="When c, do d.", status="retired"),
        Experience(id="e3", text="When e, do f."),
    )
    some = edits_shape(Bank(bank="b", experiences=experiences))["properties"]["edits"]["items"]
    assert set(some["properties"]["op"]["enum"]) == {"add", "revise", "merge", "retire", "keep"}
    assert some["properties"]["id"]["anyOf"][0]["enum"] == ["e1", "e3"]
    assert some["properties"]["ids"]["items"]["enum"] == ["e1", "e3"]
