"""Which of vLLM's parsers a model family needs, so that its tool calls and its thoughts come apart from its text.

The names are vLLM's (``vllm/tool_parsers`` and ``vllm/reasoning`` of 0.32, and its page on tool calling). Without a
parser of its own a family is served without tool calls, which vLLM then refuses to take; a family whose template
has to come from vLLM's examples is left out. Without a reasoning parser thoughts in ``<think>`` are taken off here.
"""

from __future__ import annotations

import re

__all__ = ["FAMILIES", "parsers"]

#: What a model's name holds -> (tool parser, reasoning parser); the first row that fits counts.
FAMILIES: tuple[tuple[str, str | None, str | None], ...] = (
    (r"distill", None, "deepseek_r1"),
    (r"gpt-oss", "openai", "openai_gptoss"),
    (r"hermes", "hermes", None),
    (r"xlam", "xlam", None),
    (r"qwen3-?coder", "qwen3_coder", None),
    (r"qwen3\.\d", "qwen3_coder", "qwen3"),
    (r"qwen3.*instruct", "hermes", None),
    (r"qwen3", "hermes", "qwen3"),
    (r"qwq", "hermes", "deepseek_r1"),
    (r"qwen-?2", "hermes", None),
    (r"smollm3", "hermes", None),
    (r"deepseek-r1", None, "deepseek_r1"),
    (r"deepseek-v3\.2", "deepseek_v32", "deepseek_v3"),
    (r"magistral", "mistral", "mistral"),
    (r"mistral|ministral|devstral", "mistral", None),
    (r"llama-?3\.[123]", "llama3_json", None),
    (r"granite-?4", "granite4", None),
    (r"granite-?3\.[1-9]", "granite", None),
    (r"glm-?4\.[56]", "glm45", "glm45"),
    (r"glm-?4\.7", "glm47", "glm45"),
    (r"kimi-?k2.*thinking", "kimi_k2", "kimi_k2"),
    (r"kimi-?k2", "kimi_k2", None),
    (r"minimax-?m2", "minimax_m2", "minimax_m2"),
    (r"seed-?oss", "seed_oss", "seed_oss"),
    (r"jamba", "jamba", None),
    (r"olmo-?3.*think", "olmo3", "olmo3"),
    (r"olmo-?3", "olmo3", None),
    (r"gemma-?4", "gemma4", "gemma4"),
    (r"hunyuan-?a13b", "hunyuan_a13b", "hunyuan_a13b"),
)


def parsers(name: str) -> tuple[str | None, str | None]:
    """(tool parser, reasoning parser) of a hub's id or a folder's name; None where the family is not known."""
    low = name.rsplit("/", 1)[-1].lower()
    for pattern, tool, reasoning in FAMILIES:
        if re.search(pattern, low):
            return tool, reasoning
    return None, None
