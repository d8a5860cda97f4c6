"""Tools: a plain typed function becomes something a model can call.

    function, "calculator" or {mcp: …} in YAML -> Tool (spec, function, hash) -> call(tool, ToolCall) -> ToolResult

``function``   function -> :class:`Tool`: JSON schema from annotations and docstring, arguments checked and coerced
``load``       a name or ``path.py:function`` in the workspace -> :class:`Tool`
``python``     the built-in tool ``python``: an interpreter in the sandbox, one for each attempt
``mcp``        an MCP server -> its tools, over a ``connection``; their arguments checked ``fromschema``
``remote``     a sandbox in another place, by an MCP server that runs Python
``textcalls``  tool calls that a model wrote as text -> :class:`~practice.types.ToolCall`
"""

from __future__ import annotations

from practice.tool.function import MAX_RESULT, Opened, Opening, Tool, arguments_of, call, tool_from_function
from practice.tool.load import Function, available_tools, built_in_tools, load_function, load_tool, workspace_tools
from practice.tool.loops import run_sync
from practice.tool.mcp import load_mcp
from practice.tool.python import python_tool
from practice.tool.remote import remote_engine
from practice.tool.textcalls import TextCalls, parse_text_calls, split_text_calls

__all__ = [
    "MAX_RESULT",
    "Function",
    "Opened",
    "Opening",
    "TextCalls",
    "Tool",
    "arguments_of",
    "available_tools",
    "built_in_tools",
    "call",
    "load_function",
    "load_mcp",
    "load_tool",
    "parse_text_calls",
    "python_tool",
    "remote_engine",
    "run_sync",
    "split_text_calls",
    "tool_from_function",
    "workspace_tools",
]
