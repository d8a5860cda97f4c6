"""Several answers of one request (``n``): each choice as a completion of its own, the usage shared out.

An endpoint counts such a request as a whole: its prompt once, the answers together. The shares add up to that count
to the token. The prompt goes in equal parts, the answers' tokens by what each of them says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from practice.errors import CallFailed
from practice.model.faults import Refusal
from practice.model.wire import decode, fields, items
from practice.types import Completion, Usage

_REFUSED = re.compile(r"['\"`]n['\"`]|\bn must be\b|\bn (is|=|>) ?\d|one completion choice", re.IGNORECASE)


def decode_choices(data: object, n: int) -> dict[int, Completion]:
    """The usable answers of a request for ``n``, by their place from 0, without price.

    A choice that breaks off or says nothing is left out, and so is one beyond ``n``; what it took is counted with the
    others. Raises CallFailed, as ``wire.decode`` does, where none is usable.
    """
    body = fields(data)
    choices = items(body.get("choices"))
    if n == 1 or not choices:
        return {0: decode(data)}
    found: dict[int, Completion] = {}
    problem: CallFailed | None = None
    for position, choice in enumerate(choices):
        index = fields(choice).get("index")
        place = index if isinstance(index, int) else position
        if not 0 <= place < n or place in found:
            continue
        try:
            found[place] = decode({**body, "choices": [choice]})
        except CallFailed as error:
            problem = problem or error
    if not found:
        raise problem or CallFailed("cut", "the answer holds none of its choices", retriable=True)
    return _shared(found)


def refuses_n(refusal: Refusal) -> bool:
    """Whether an endpoint refuses to give several answers to one request."""
    return refusal.param.split(".")[0] == "n" or (not refusal.param and bool(_REFUSED.search(refusal.message[:600])))


def split(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` in whole parts as near as can be to ``weights``, largest remainders first; equal parts where all are 0.

    The parts add up to ``total``. A part is never above its weight where the weights add up to ``total`` or more.
    """
    if not any(weights):
        weights = [1] * len(weights)
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    by_rest = sorted(range(len(weights)), key=lambda place: -(total * weights[place] % whole))
    for place in by_rest[: total - sum(parts)]:
        parts[place] += 1
    return parts


def _shared(found: Mapping[int, Completion]) -> dict[int, Completion]:
    """Every completion says the usage of the whole request; now each says its share."""
    said = list(found.values())
    whole = said[0].usage
    tokens_in = split(whole.input_tokens, [1] * len(said))
    tokens_out = split(whole.output_tokens, [_length(completion) for completion in said])
    cached, reasoning = split(whole.cached_tokens, tokens_in), split(whole.reasoning_tokens, tokens_out)
    counts = zip(tokens_in, tokens_out, cached, reasoning, strict=True)
    usages = (
        Usage(calls=1, input_tokens=i, output_tokens=o, cached_tokens=c, reasoning_tokens=r, usd=None)
        for i, o, c, r in counts
    )
    pairs = zip(found.items(), usages, strict=True)
    return {place: completion.model_copy(update={"usage": usage}) for (place, completion), usage in pairs}


def _length(completion: Completion) -> int:
    """Characters that the model wrote; its tokens are not told apart by choice."""
    calls = sum(len(call.name) + len(call.arguments) for call in completion.tool_calls)
    return len(completion.content) + len(completion.reasoning) + calls
