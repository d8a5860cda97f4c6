"""An MCP server whose tools an agent may call: how it is reached, as ``{mcp: …}`` in an agent's ``tools``."""

from __future__ import annotations

import re
import shlex
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator, model_validator

from practice.config.schema import Closed, Positive, Text, check_address, check_variable, is_secret, wrong

__all__ = ["McpServer", "McpTools"]

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NO_SECRET = "no secret in YAML: name the environment variable that holds it in {}"


class McpServer(Closed):
    """An MCP server: a command that speaks over stdin and stdout, or the address of one over streamable HTTP."""

    command: Text | None = Field(
        default=None,
        description="The command that starts it, in the workspace's folder; `python` is the Python that runs this "
        "program.",
    )
    url: Text | None = Field(default=None, description="Its address, where it runs already (streamable HTTP).")
    env: tuple[Text, ...] = Field(
        default=(), description="Names of the environment variables that the command gets besides HOME, PATH and such."
    )
    headers_env: dict[str, str] = Field(
        default={},
        description="Headers of every request: name -> the environment variable that holds the value; an "
        "`Authorization` of one word is sent as `Bearer` and that word.",
    )
    only: tuple[Text, ...] = Field(default=(), description="The tools to take; none named: all.")
    per_attempt: bool = Field(
        default=False, description="Whether each attempt has a connection of its own, for a server that keeps state."
    )
    seconds: Positive = Field(default=60.0, description="Most seconds of one call; after it the model is told so.")

    @field_validator("command")
    @classmethod
    def _check_command(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise wrong("a command", found=f"{value!r} ({str(error).lower()})") from None
        if not words:
            raise wrong("a command", found=repr(value))
        if any(is_secret(word.lstrip("-").partition("=")[0]) for word in words if word.startswith("-")):
            raise wrong(_NO_SECRET.format("env"), found="not shown")
        return value

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None:
            check_address(value, "https://example.org/mcp")
            if any(is_secret(name) for name, _ in parse_qsl(urlsplit(value).query, keep_blank_values=True)):
                raise wrong(_NO_SECRET.format("headers_env"), found="not shown")
        return value

    @field_validator("env")
    @classmethod
    def _check_env(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, name in enumerate(value):
            check_variable(name, str(index))
        return value

    @field_validator("headers_env")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for header, variable in value.items():
            if not _HEADER.fullmatch(header):
                raise wrong("a header's name, such as Authorization", found=repr(header))
            check_variable(variable, header)
        return value

    @field_validator("only")
    @classmethod
    def _check_only(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for index, name in enumerate(value):
            if name in value[:index]:
                raise wrong("each tool once", found=repr(name), key=str(index))
        return value

    @model_validator(mode="after")
    def _check_one(self) -> McpServer:
        """One way to reach it, and no setting that this way does not use."""
        if (self.command is None) == (self.url is None):
            raise wrong("either a command or a url", found="neither" if self.url is None else "both")
        if self.url is not None and self.env:
            raise wrong("no env with a url: it is for a command", found=", ".join(self.env), key="env")
        if self.command is not None and self.headers_env:
            raise wrong("no headers_env with a command: it is for a url", found="some", key="headers_env")
        return self

    @property
    def described(self) -> str:
        """How messages name it."""
        return self.command or str(self.url)

    def digest_fields(self) -> dict[str, Any]:
        """What makes it another server to a run: all but keys, time limits, and an address's host and port.

        Which tools are taken is not part of it: each tool counts by itself.
        """
        fields: dict[str, Any] = {"per_attempt": self.per_attempt}
        if self.command is not None:
            return {"command": self.command, **fields}
        parts = urlsplit(str(self.url))
        return {"url": parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "") or "/", **fields}


class McpTools(Closed):
    """The tools of an MCP server, as an entry of an agent's ``tools``."""

    mcp: McpServer = Field(description=str(McpServer.__doc__))
