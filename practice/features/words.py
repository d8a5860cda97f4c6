"""A feature's name in words: what was done, what to do, what to avoid. Generic grammar over any tool."""

from __future__ import annotations

from practice.types import Value

__all__ = ["ANSWER", "CALLS", "MANNER", "OPENING", "Phrase", "phrase"]

# Where in a trajectory a behaviour stands; a recipe lists them in this order.
OPENING, CALLS, ANSWER, MANNER = 0, 1, 2, 3


class Phrase(Value):
    """A behaviour in words."""

    says: str
    """Past, for a fact: ``called calculator exactly once``."""
    do: str
    """Imperative, where the behaviour goes with success."""
    avoid: str
    """Imperative, where it goes with failure."""
    slot: int
    """Where it stands in a trajectory: 0 the opening, 1 the calls, 2 the answer, 3 the manner."""
    instead: str = ""
    """What those who lack it do, as a prohibition; only for the behaviours that open a procedure."""
    clarity: int = 1
    """Which of several behaviours that always come together is named: the highest."""


_TOOL_PHRASES: dict[str, Phrase] = {
    "called": Phrase(
        says="called {t}",
        do="call {t}",
        avoid="do not call {t}",
        instead="do not work it out yourself",
        slot=OPENING,
        clarity=9,
    ),
    "once": Phrase(
        says="called {t} exactly once",
        do="call {t} exactly once",
        avoid="do not stop after one call of {t}",
        slot=CALLS,
        clarity=8,
    ),
    "again": Phrase(
        says="called {t} more than once",
        do="call {t} more than once",
        avoid="never call {t} a second time",
        slot=CALLS,
        clarity=4,
    ),
    "opening": Phrase(
        says="called {t} in the first reply",
        do="call {t} in the first reply",
        avoid="do not begin with a call of {t}",
        instead="do not work it out yourself",
        slot=OPENING,
        clarity=6,
    ),
    "only_call": Phrase(
        says="gave a first reply that held only a call of {t}",
        do="first reply with only the {t} call",
        avoid="do not begin with a bare call of {t}",
        instead="do not work it out yourself",
        slot=OPENING,
        clarity=7,
    ),
    "beside": Phrase(
        says="wrote other text beside the call of {t}",
        do="explain beside the call of {t}",
        avoid="write nothing beside the call of {t}",
        slot=OPENING,
        clarity=5,
    ),
    "whole": Phrase(
        says="gave {t} a whole calculation in one call",
        do="put the whole calculation in one call of {t}",
        avoid="give {t} one operation a call",
        slot=CALLS,
        clarity=5,
    ),
    "piecewise": Phrase(
        says="gave {t} the calculation in pieces",
        do="give {t} one operation a call",
        avoid="do not split the calculation over several calls of {t}",
        slot=CALLS,
        clarity=3,
    ),
    "chained": Phrase(
        says="gave {t} a result that it had returned",
        do="give each result of {t} to its next call",
        avoid="do not call {t} again on its own result",
        slot=CALLS,
        clarity=5,
    ),
    "repeated": Phrase(
        says="made the same call of {t} twice",
        do="repeat the call of {t} to compare",
        avoid="never repeat a call of {t}",
        slot=CALLS,
        clarity=4,
    ),
    "failed": Phrase(
        says="made a call of {t} that failed",
        do="correct a failed call of {t} and call again",
        avoid="give {t} only arguments that it can read",
        slot=CALLS,
        clarity=5,
    ),
    "reports": Phrase(
        says="answered with what {t} returned last",
        do="answer with the result {t} returns",
        avoid="do not take what {t} returns for the answer",
        slot=ANSWER,
        clarity=7,
    ),
}

_PLAIN_PHRASES: dict[str, Phrase] = {
    "called": Phrase(says="called a tool", do="call a tool", avoid="answer without a tool", slot=OPENING, clarity=3),
    "calculates": Phrase(
        says="calculated in the text of a reply",
        do="write out the calculation in the reply",
        avoid="do not calculate yourself",
        slot=MANNER,
        clarity=6,
    ),
    "checks": Phrase(
        says="checked its result in words",
        do="check the result before you answer",
        avoid="do not check the result in words",
        slot=MANNER,
    ),
    "declines": Phrase(
        says="declined the task", do="say so when it can't be done", avoid="do not decline the task", slot=ANSWER
    ),
    "asks": Phrase(says="ended with a question", do="ask back", avoid="do not end with a question", slot=ANSWER),
    "marker": Phrase(
        says="ended with the word answer and its value",
        do='end with "Answer:" and the value',
        avoid='do not end with "Answer:"',
        slot=ANSWER,
        clarity=2,
    ),
    "one_number": Phrase(
        says="gave one number in the final reply",
        do="give only one number in the final reply",
        avoid="show the steps' numbers in the final reply",
        slot=ANSWER,
        clarity=3,
    ),
    "no_answer": Phrase(
        says="ended on a tool call without an answer",
        do="end on the tool call",
        avoid="always answer after the last tool call",
        slot=ANSWER,
        clarity=2,
    ),
    "limit": Phrase(
        says="ran into a limit", do="use all the steps there are", avoid="answer before the steps run out", slot=ANSWER
    ),
    "list": Phrase(says="wrote a list", do="list the steps", avoid="do not write lists", slot=MANNER),
    "fence": Phrase(says="used a code fence", do="use a code fence", avoid="do not use code fences", slot=MANNER),
    "boxed": Phrase(
        says="put the answer in a box", do="put the answer in \\boxed{}", avoid="do not use \\boxed{}", slot=ANSWER
    ),
    "latex": Phrase(says="wrote LaTeX", do="write formulas in LaTeX", avoid="do not write LaTeX", slot=MANNER),
    "json": Phrase(says="answered in JSON", do="answer in JSON", avoid="do not answer in JSON", slot=ANSWER),
    "table": Phrase(says="wrote a table", do="write a table", avoid="do not write tables", slot=MANNER),
}

_NUMERIC_PHRASES: dict[str, Phrase] = {
    "n:words": Phrase(
        says="wrote at most {k} words in all",
        do="write at most {k} words in all",
        avoid="write more than {k} words",
        slot=MANNER,
    ),
    "n:answer_words": Phrase(
        says="gave a final reply of at most {k} words",
        do="answer in at most {k} words",
        avoid="answer in more than {k} words",
        slot=ANSWER,
    ),
    "n:steps": Phrase(
        says="took at most {k} replies", do="finish within {k} replies", avoid="take more than {k} replies", slot=MANNER
    ),
}


def phrase(name: str) -> Phrase:
    """The words for a feature's name, with a threshold where it was numeric; user features are quoted by name."""
    base, _, cut = name.partition(" <= ")
    kind, _, tool = base.partition(":")
    if base in _NUMERIC_PHRASES:
        return _fill(_NUMERIC_PHRASES[base], "{k}", cut)
    if base in _PLAIN_PHRASES:
        return _PLAIN_PHRASES[base]
    if kind == "order":
        a, _, b = tool.partition(">")
        return Phrase(
            says=f"called {a} before {b}", do=f"call {a} before {b}", avoid=f"do not call {a} before {b}", slot=CALLS
        )
    if kind in _TOOL_PHRASES:
        return _fill(_TOOL_PHRASES[kind], "{t}", tool)
    label = tool.replace("_", " ") + (f" at most {cut}" if cut else "")
    return Phrase(says=f"showed: {label}", do=f"keep to this: {label}", avoid=f"avoid this: {label}", slot=MANNER)


def _fill(pattern: Phrase, mark: str, value: str) -> Phrase:
    return pattern.model_copy(
        update={key: getattr(pattern, key).replace(mark, value) for key in ("says", "do", "avoid", "instead")}
    )
