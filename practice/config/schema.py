"""What everything read from YAML is made of: the closed base, the model specification, and errors that name a key."""

from __future__ import annotations

import re
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema, PydanticCustomError

__all__ = [
    "Closed",
    "Count",
    "ModelSpec",
    "Positive",
    "Price",
    "Share",
    "Temperature",
    "Text",
    "check_address",
    "check_variable",
    "is_secret",
    "or_text",
    "wrong",
]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(
    r"(x[-_])?(api[-_]?)?key|(auth|access|api)?[-_]?token|secret|password|passwd|authorization|bearer", re.I
)
#: Parts of a request that the program sets itself: set twice, one of the two would have no effect.
_OWN_PARAMS = frozenset(
    {"model", "messages", "tools", "response_format", "temperature", "max_tokens", "max_completion_tokens", "seed", "n"}
    | {"stream", "stream_options", "extra_headers", "api_base", "num_retries", "timeout"}
)
#: Servers that answer ``n`` with seeds that count on from the one that was sent.
_FAN_OUT = ("vllm/", "hosted_vllm/")


Count = Annotated[int, Field(ge=1)]
Temperature = Annotated[float, Field(ge=0.0, le=2.0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Text = Annotated[str, Field(min_length=1)]


def wrong(
    expected: str, *, found: str | None = None, key: str | None = None, nearest: str | None = None
) -> PydanticCustomError:
    """An error for a validator to raise; ``key`` is relative to the model validated. ``parse`` adds file and line."""
    context = {"expected": expected, "found": found, "key": key, "nearest": nearest}
    return PydanticCustomError("practice", "expected {expected}", context)


def is_secret(name: str) -> bool:
    """Whether a key of this name would hold a secret, so that its value is refused and never shown."""
    return _SECRET.fullmatch(name) is not None


def check_address(value: str, example: str) -> str:
    """``value`` where it is an http(s) address without user and password; else raises :func:`wrong`."""
    parts = urlsplit(value)
    if "@" in parts.netloc:
        raise wrong("an address without user and password (keys are named by their variables)", found="not shown")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong(f"an address such as {example}", found=repr(value))
    return value


def check_variable(value: str, key: str | None = None) -> str:
    """``value`` where it can name an environment variable; else raises :func:`wrong`.

    Someone may have written the secret itself here, so the value is not repeated.
    """
    if not (_VARIABLE.fullmatch(value) and len(value) <= 64):
        expected = "the name of an environment variable, such as OPENAI_API_KEY"
        raise wrong(expected, found="something else (not shown)", key=key)
    return value


class Closed(BaseModel):
    """The base of everything read from YAML: frozen, an unknown key is an error, no infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


# ---------------------------------------------------------------- models


class Price(Closed):
    """What a model's tokens cost, in usd per million tokens."""

    input: float = Field(ge=0.0, description="Usd per million input tokens.")
    output: float = Field(ge=0.0, description="Usd per million output tokens.")
    cached: float | None = Field(
        default=None, ge=0.0, description="Usd per million input tokens read from a cache; null: as `input`."
    )
    reasoning: float | None = Field(
        default=None, ge=0.0, description="Usd per million output tokens of reasoning; null: as `output`."
    )


class ModelSpec(Closed):
    """A model: a bare name, or a mapping of these keys. Keys (secrets) are named, never written."""

    name: str = Field(min_length=1, pattern=r"^\S+$", description="A LiteLLM name, `vllm/…` or `llamacpp/…`.")
    api_base: str | None = Field(default=None, description="The address of an OpenAI-compatible endpoint.")
    api_key_env: str | None = Field(default=None, description="The environment variable that holds the key.")
    params: dict[str, Any] = Field(default={}, description="Further parameters of every request, as `top_p`.")
    price: Price | None = Field(
        default=None, description="Usd per million tokens; null: the price table's, else unknown."
    )
    concurrency: Count | None = Field(
        default=None, description="Most calls in flight at this endpoint; null: no limit."
    )
    rpm: Count | None = Field(default=None, description="Most calls a minute to this endpoint; null: no limit.")
    tpm: Count | None = Field(
        default=None, description="Most tokens a minute, in and out, at this endpoint; null: no limit."
    )
    fan_out: bool | None = Field(
        default=None,
        description="Whether a group's first calls go out as one request for `n` answers; null: for `vllm/…` and "
        "`hosted_vllm/…`, where that is known to work.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("api_base")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        if value is not None:
            check_address(value, "http://127.0.0.1:8000/v1")
        return value

    @field_validator("api_key_env")
    @classmethod
    def _check_variable(cls, value: str | None) -> str | None:
        if value is not None:
            check_variable(value)
        return value

    @field_validator("params")
    @classmethod
    def _check_params(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name in value:
            if name in _OWN_PARAMS:
                raise wrong("a parameter that the program does not set itself", found=repr(name), key=name)
        secret = _find_secret(value)
        if secret is not None:
            raise wrong(
                "no secret in YAML: name its environment variable in api_key_env", found="not shown", key=secret
            )
        return value

    def digest_fields(self) -> dict[str, Any]:
        """What makes this model another one to a run: all but key, limits, and the endpoint's host and port."""
        fields: dict[str, Any] = {"name": self.name}
        if self.api_base is not None:
            fields["api_base"] = urlsplit(self.api_base).path.rstrip("/") or "/"
        if self.params:
            fields["params"] = dict(self.params)
        if self.price is not None:
            price = self.price.model_dump()
            if price["reasoning"] is None:
                del price["reasoning"]  # as in the runs before it could be given
            fields["price"] = price
        if self.fans_out:
            fields["fan_out"] = True  # it decides the seeds of a group's first calls
        return fields

    @property
    def fans_out(self) -> bool:
        """Whether a group's first calls go out as one."""
        return self.name.startswith(_FAN_OUT) if self.fan_out is None else self.fan_out

    @property
    def described(self) -> str:
        """The model and, where it was asked for one, its reasoning effort."""
        reasoning: object = self.params.get("reasoning")
        nested = cast("dict[str, object]", reasoning).get("effort") if isinstance(reasoning, dict) else None
        effort = self.params.get("reasoning_effort", nested)
        return self.name if effort is None else f"{self.name}, reasoning effort {effort}"

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return or_text(handler.resolve_ref_schema(handler(core_schema)))


def _find_secret(value: object) -> str | None:
    """The dotted key of the first secret in a mapping, or None."""
    if isinstance(value, dict):
        for name, inner in cast("dict[object, object]", value).items():
            if is_secret(str(name)):
                return str(name)
            deeper = _find_secret(inner)
            if deeper is not None:
                return f"{name}.{deeper}"
    return None


def or_text(schema: dict[str, Any], **text: Any) -> dict[str, Any]:
    """Turn a mapping's JSON schema, in place, into "text or this mapping"."""
    mapping = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", **text}, mapping]
    return schema
