"""Wrong inputs and the error each must give: exit 2, one sentence, nothing called. ``docs/errors.md`` lists them.

Each case is a change to :data:`WORKSPACE`, a command, and what the error object must name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: A workspace in which ``practice run --dry-run`` exits 0.
WORKSPACE: Mapping[str, str] = {
    "practice.yaml": """\
agent: agents/solver.yaml
tasks:
  practice: tasks/practice.jsonl
  holdout: tasks/holdout.jsonl
reward: exact
rollouts:
  group_size: 4
""",
    "agents/solver.yaml": """\
name: solver
description: Adds.
model: {name: openai/small, api_base: "http://127.0.0.1:9/v1"}
instructions: Add the numbers. Answer with the sum alone.
""",
    "tools/calculator.py": '''\
def calculator(expression: str) -> str:
    """Evaluate an arithmetic expression."""
    return expression
''',
    "tasks/practice.jsonl": "".join(f'{{"input": "{n} + {n}?", "answer": {2 * n}}}\n' for n in range(1, 7)),
    "tasks/holdout.jsonl": '{"input": "20 + 1?", "answer": 21}\n{"input": "30 + 2?", "answer": 32}\n',
}

RUN = ("run", "--dry-run")


@dataclass(frozen=True)
class WrongInput:
    """One wrong input."""

    id: str
    what: str
    """For the documentation: what is wrong."""
    files: Mapping[str, str | bytes] = field(default_factory=dict[str, str | bytes])
    """Files that differ from WORKSPACE."""
    command: tuple[str, ...] = RUN
    file: str | None = None
    """How the error's ``file`` ends."""
    key: str | None = None
    line: int | None = None
    nearest: str | None = None
    says: str = ""
    """What ``expected`` or ``found`` must hold."""
    hides: str = ""
    """What no output may hold."""

    def write(self, root: Path) -> None:
        """Lay the workspace, with this case's change, into ``root``."""
        for name, text in {**WORKSPACE, **self.files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())


def settings(id: str, what: str, extra: str, **expected: object) -> WrongInput:
    """A case that appends ``extra`` to practice.yaml (whose lines 1 to 7 are as in WORKSPACE)."""
    text = WORKSPACE["practice.yaml"] + extra
    return WrongInput(id, what, {"practice.yaml": text}, file="practice.yaml", **expected)  # pyright: ignore


def replaced(id: str, what: str, name: str, old: str, new: str, **expected: object) -> WrongInput:
    """A case that replaces ``old`` by ``new`` in the file ``name``."""
    assert old in WORKSPACE[name]
    return WrongInput(id, what, {name: WORKSPACE[name].replace(old, new)}, **{"file": name, **expected})  # pyright: ignore


def tasks(id: str, what: str, line: str, **expected: object) -> WrongInput:
    """A case with ``line`` as the seventh line of the practice tasks."""
    text = WORKSPACE["tasks/practice.jsonl"] + line + "\n"
    found = {"file": "tasks/practice.jsonl", "line": 7, **expected}
    return WrongInput(id, what, {"tasks/practice.jsonl": text}, **found)  # pyright: ignore


def sets(id: str, what: str, text: str, **expected: object) -> WrongInput:
    """A case of ``--set``."""
    return WrongInput(id, what, {}, (*RUN, "--set", text), file="--set", **expected)  # pyright: ignore


_SCORES = "group_id,rollout_id,score,evaluator,seed\nq1,a,1,j1,1\nq1,b,2,j1,1\n"
STABILITY = ("judge", "stability", "--scores", "scores.csv")

_BANK = "bank: b\nrevision: 1\nexperiences:\n"

SETTINGS: tuple[WrongInput, ...] = (
    settings(
        "unknown-section", "a misspelled section", "budgets: {tokens: 5}\n", key="budgets", line=8, nearest="budget"
    ),
    replaced(
        "unknown-key",
        "a misspelled key in a section",
        "practice.yaml",
        "group_size",
        "group_sise",
        key="rollouts.group_sise",
        line=7,
        nearest="group_size",
    ),
    settings(
        "misplaced-key",
        "a key at the wrong level",
        "batch_size: 4\n",
        key="batch_size",
        line=8,
        nearest="practice.batch_size",
    ),
    replaced(
        "wrong-type",
        "text for a number",
        "practice.yaml",
        "group_size: 4",
        "group_size: four",
        key="rollouts.group_size",
        line=7,
        says="a whole number",
    ),
    settings(
        "quoted-number", "a number in quotes", 'practice: {epochs: "3"}\n', key="practice.epochs", line=8, says="'3'"
    ),
    settings("yes-for-true", "yes for true", "judge: {gate: yes}\n", key="judge.gate", line=8, says="true or false"),
    settings(
        "out-of-range",
        "a temperature above 2",
        "evaluate: {temperature: 3}\n",
        key="evaluate.temperature",
        line=8,
        says="at most 2",
    ),
    settings(
        "trials",
        "more trials at the first look than at the last",
        "accept:\n  trials: 9\n",
        key="accept.trials",
        line=9,
        says="max_trials",
    ),
    settings("negative-budget", "a budget below 1", "budget: {tokens: -5}\n", key="budget.tokens", line=8, says="-5"),
    replaced("no-agent", "no agent", "practice.yaml", "agent: agents/solver.yaml\n", "", key="agent", says="nothing"),
    replaced(
        "no-tasks",
        "no practice tasks named",
        "practice.yaml",
        "  practice: tasks/practice.jsonl\n",
        "",
        key="tasks.practice",
        line=2,
        says="nothing",
    ),
    replaced("reward", "an unknown reward", "practice.yaml", "exact", "exakt", key="reward", line=5, nearest="exact"),
    replaced(
        "reward-file",
        "a reward's file that is not there",
        "practice.yaml",
        "exact",
        "tools/calculater.py:calculator",
        key="reward",
        line=5,
        nearest="tools/calculator.py",
    ),
    settings(
        "policy", "an unknown policy", "accept: {policy: heldot}\n", key="accept.policy", line=8, nearest="heldout"
    ),
    settings(
        "wording",
        "an unknown wording of a judge",
        "judge:\n  panel:\n    - {prompt: default}\n    - {prompt: strickt}\n",
        key="judge.panel.1.prompt",
        line=11,
        nearest="strict",
    ),
    settings(
        "secret",
        "a key (secret) in YAML",
        "teacher:\n  model:\n    name: openai/m\n    api_key: sk-12345678\n",
        key="teacher.model.api_key",
        line=11,
        nearest="api_key_env",
        hides="sk-12345678",
    ),
    settings(
        "secret-as-name",
        "the secret itself where its variable's name belongs",
        "teacher:\n  model: {name: openai/m, api_key_env: sk-12345678}\n",
        key="teacher.model.api_key_env",
        line=9,
        says="environment variable",
        hides="sk-12345678",
    ),
    settings("syntax", "a line that is not YAML", "judge: [\n", line=9, says="YAML"),
    settings("twice", "a key that stands twice", "reward: math\n", key="reward", line=8, says="line 5"),
    replaced(
        "agent-file",
        "an agent's file that is not there",
        "practice.yaml",
        "solver",
        "solvr",
        key="agent",
        line=1,
        nearest="agents/solver.yaml",
    ),
    replaced(
        "tasks-file",
        "a task file that is not there",
        "practice.yaml",
        "tasks/holdout",
        "tasks/holdut",
        key="tasks.holdout",
        line=4,
        nearest="tasks/holdout.jsonl",
    ),
    WrongInput(
        "settings-file",
        "a settings file that is not there",
        {},
        ("run", "practise.yaml", "--dry-run"),
        file="practise.yaml",
        nearest="practice.yaml",
    ),
    sets(
        "set-key",
        "--set of an unknown key",
        "rollout.group_size=3",
        key="rollout.group_size",
        nearest="rollouts.group_size",
    ),
    sets("set-nothing", "--set without a value", "rollouts.group_size", says="key=value"),
    sets("set-type", "--set of a wrong type", "practice.shuffle=maybe", key="practice.shuffle", says="'maybe'"),
    sets("set-yaml", "--set of what is not YAML", "judge.panel=[{", key="judge.panel", says="YAML"),
)

TASKS: tuple[WrongInput, ...] = (
    tasks("json", "a line that is not JSON", '{"input": "x', says="JSON"),
    tasks("field", "a misspelled field", '{"imput": "x", "answer": 1}', key="imput", nearest="input"),
    tasks("no-input", "a line without an input", '{"answer": 1, "topic": "sums"}', key="input", says="topic"),
    tasks("nested", "an object for text", '{"question": {"text": "x"}}', key="question", says="an object"),
    tasks("empty-input", "an empty input", '{"input": " "}', key="input", says="not empty"),
    tasks("nan", "NaN for an answer", '{"input": "x", "answer": NaN}', says="NaN"),
    tasks("verifier", "an unknown verifier", '{"input": "x", "verifier": "mat"}', key="verifier", nearest="math"),
    tasks("minutes", "minutes below 0", '{"input": "x", "answer": 1, "minutes": -1}', key="minutes", says="-1"),
    WrongInput(
        "ids",
        "one id for two tasks",
        {"tasks/practice.jsonl": '{"id": "a", "input": "x", "answer": 1}\n{"id": "a", "input": "y", "answer": 1}\n'},
        file="tasks/practice.jsonl",
        key="id",
        line=2,
        says="line 1",
    ),
    WrongInput(
        "bytes",
        "a line that is not UTF-8",
        {"tasks/practice.jsonl": b'{"input": "x"}\n{"input": "caf\xe9"}\n'},
        file="tasks/practice.jsonl",
        line=2,
        says="UTF-8",
    ),
    WrongInput(
        "empty-file",
        "an empty task file",
        {"tasks/practice.jsonl": "\n"},
        file="tasks/practice.jsonl",
        says="at least one task",
    ),
    WrongInput(
        "shared",
        "an input in practice and holdout",
        {"tasks/holdout.jsonl": WORKSPACE["tasks/holdout.jsonl"] + '{"input": "2  + 2?", "answer": 4}\n'},
        file="tasks/holdout.jsonl",
        key="tasks.holdout",
        line=3,
        says="tasks/practice.jsonl:2",
    ),
    replaced(
        "suffix",
        "a task file of another format",
        "practice.yaml",
        "tasks/practice.jsonl",
        "agents/solver.yaml",
        file="agents/solver.yaml",
        says="'.yaml'",
    ),
    WrongInput(
        "csv",
        "a CSV row with a cell too many",
        {
            "practice.yaml": WORKSPACE["practice.yaml"].replace("practice.jsonl", "p.csv"),
            "tasks/p.csv": "input,answer\na,1\nb,2,3\n",
        },
        file="tasks/p.csv",
        line=3,
        says="2 cells",
    ),
)

OTHERS: tuple[WrongInput, ...] = (
    replaced(
        "agent-key",
        "a misspelled key of an agent",
        "agents/solver.yaml",
        "instructions",
        "instuctions",
        key="instuctions",
        line=4,
        nearest="instructions",
    ),
    WrongInput(
        "agent-limit",
        "an agent of no steps",
        {"agents/solver.yaml": WORKSPACE["agents/solver.yaml"] + "limits:\n  steps: 0\n"},
        file="agents/solver.yaml",
        key="limits.steps",
        line=6,
        says="at least 1",
    ),
    WrongInput(
        "agent-tool",
        "an unknown tool of an agent",
        {"agents/solver.yaml": WORKSPACE["agents/solver.yaml"] + "tools: [calculater]\n"},
        file="agents/solver.yaml",
        key="tools.0",
        line=5,
        nearest="calculator",
    ),
    WrongInput(
        "mcp-key",
        "a misspelled key of an MCP server",
        {"agents/solver.yaml": WORKSPACE["agents/solver.yaml"] + 'tools:\n- mcp:\n    comand: "python server.py"\n'},
        file="agents/solver.yaml",
        key="tools.0.mcp.comand",
        line=7,
        nearest="command",
    ),
    WrongInput(
        "mcp-secret",
        "an MCP server's key itself where its variable's name belongs",
        {
            "agents/solver.yaml": WORKSPACE["agents/solver.yaml"]
            + 'tools: [{mcp: {url: "http://127.0.0.1:9", headers_env: {Authorization: sk-secret-1234}}}]\n'
        },
        file="agents/solver.yaml",
        key="tools.0.mcp.headers_env.Authorization",
        line=5,
        says="the name of an environment variable",
        hides="sk-secret-1234",
    ),
    WrongInput(
        "mcp-gone",
        "an MCP server that does not start",
        {
            "agents/solver.yaml": WORKSPACE["agents/solver.yaml"]
            + "tools: [calculator, {mcp: {command: no-such-server}}]\n"
        },
        file="agents/solver.yaml",
        key="tools.1.mcp.command",
        line=5,
        says="No such file or directory",
    ),
    WrongInput(
        "bank-status",
        "an unknown status in a bank",
        {
            "practice.yaml": WORKSPACE["practice.yaml"] + "memory: {bank: memory/b.yaml}\n",
            "memory/b.yaml": _BANK + "- {id: e1, text: Add first., status: activ}\n",
        },
        file="memory/b.yaml",
        key="experiences.0.status",
        line=4,
        nearest="active",
    ),
    WrongInput(
        "bank-id",
        "one id for two lessons in a bank",
        {
            "practice.yaml": WORKSPACE["practice.yaml"] + "memory: {bank: memory/b.yaml}\n",
            "memory/b.yaml": _BANK + "- {id: e1, text: Add first.}\n- {id: e1, text: Add last.}\n",
        },
        file="memory/b.yaml",
        key="experiences.1.id",
        line=5,
        says="e1",
    ),
    WrongInput(
        "price",
        "a ceiling in usd on a model without a price",
        {"practice.yaml": WORKSPACE["practice.yaml"] + "budget: {usd: 1}\n"},
        file="agents/solver.yaml",
        key="model.price",
        says="openai/small",
    ),
    WrongInput(
        "workspace",
        "a workspace that is not there",
        {},
        (*RUN, "--workspace", "nowhere"),
        file="nowhere",
        key="--workspace",
    ),
    WrongInput("run-id", "an unknown run", {}, ("compare", "r1", "r2"), key="run", says="run"),
    WrongInput(
        "eval-reward",
        "an unknown reward of eval",
        {},
        ("eval", "agents/solver.yaml", "tasks/holdout.jsonl", "--reward", "exakt"),
        key="--reward",
        nearest="exact",
    ),
    WrongInput(
        "eval-tasks",
        "a task file that is not there, given to eval",
        {},
        ("eval", "agents/solver.yaml", "tasks/holdut.jsonl"),
        file="tasks/holdut.jsonl",
        nearest="tasks/holdout.jsonl",
    ),
    WrongInput(
        "overfit-tasks",
        "more tasks than there are, given to overfit",
        {},
        ("overfit", "7"),
        file="tasks/practice.jsonl",
        key="N",
        says="from 1 to 6",
    ),
    WrongInput(
        "scores-file",
        "a file of scores that is not there",
        {"scores.csv": _SCORES},
        ("judge", "stability", "--scores", "score.csv"),
        file="score.csv",
        key="--scores",
        nearest="scores.csv",
    ),
    WrongInput(
        "scores-column",
        "a misspelled column of scores",
        {"scores.csv": _SCORES.replace("seed", "sead")},
        STABILITY,
        file="scores.csv",
        key="sead",
        line=1,
        nearest="seed",
    ),
    WrongInput(
        "scores-number",
        "a score that is no number",
        {"scores.csv": _SCORES + "q1,c,good,j1,1\n"},
        STABILITY,
        file="scores.csv",
        key="score",
        line=4,
        says="'good'",
    ),
    WrongInput(
        "scores-twice",
        "a rollout scored twice by one evaluator",
        {"scores.csv": _SCORES + "q1,a,2,j1,1\n"},
        STABILITY,
        file="scores.csv",
        key="score",
        line=4,
        says="line 2",
    ),
    WrongInput(
        "scores-cut",
        "an unknown cut of the verdict",
        {"scores.csv": _SCORES},
        (*STABILITY, "--cut", "stable_flp=0.2"),
        key="--cut",
        nearest="stable_flip",
    ),
    WrongInput("scores-nothing", "nothing to analyse", {}, ("judge", "stability"), key="RUN", says="nothing"),
    WrongInput(
        "chat-agent",
        "an unknown agent, given to agent chat",
        {},
        ("agent", "chat", "solvr"),
        key="AGENT",
        nearest="solver",
    ),
    WrongInput(
        "new-taken",
        "a name that is taken, given to agent new",
        {},
        ("agent", "new", "Adds numbers.", "--name", "solver"),
        key="--name",
        says="agents/solver.yaml, which exists",
    ),
)

CASES: tuple[WrongInput, ...] = (*SETTINGS, *TASKS, *OTHERS)


# ---------------------------------------------------------------- docs/errors.md

_HEAD = """# Errors

A wrong input ends a command with exit code 2 before anything is called or spent. The error is one sentence: where
(file, line, key), what was expected, what was found, and for a name the nearest valid one:

    practice.yaml:7: rollouts.group_sise: expected one of group_size, temperature, concurrency, timeout, found
    'group_sise' (did you mean 'group_size'?)

With `--json` the same stands on stdout as `{"error": {"file", "key", "line", "expected", "found", "nearest"}}`, with
null for what does not apply. Task files list up to ten bad lines in one error; `--skip-bad` goes on without them.
A value that may hold a secret is never repeated.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a failure at run time: the endpoint, a local model; what was paid for is kept, the same command goes on |
| 2 | the input is wrong |
| 3 | stopped by the budget; the same command with a larger one goes on |
| 4 | interrupted; the same command goes on |
| 5 | a check said no; `practice judge stability`: NOISE-DRIVEN |
| 6 | `practice judge stability`: INSUFFICIENT |

The wrong inputs that the tests try, with what each error names (`tests/wrong_inputs.py`):

| what is wrong | file and line | key | nearest |
|---|---|---|---|
"""


def errors_markdown() -> str:
    """``docs/errors.md``."""

    def row(case: WrongInput) -> str:
        place = f"`{case.file}`" if case.file else ""
        place += f", line {case.line}" if case.line else ""
        cells = [case.what, place, f"`{case.key}`" if case.key else "", f"`{case.nearest}`" if case.nearest else ""]
        return f"| {' | '.join(cells)} |"

    return _HEAD + "\n".join(row(case) for case in CASES) + "\n"
