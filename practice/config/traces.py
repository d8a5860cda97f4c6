"""``traces`` of ``practice.yaml``: the collector that spans are sent to."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import CoreSchema

from practice.config.parse import parse
from practice.config.schema import Closed, check_address, check_variable, is_secret, or_text, wrong
from practice.config.workspace import SETTINGS_FILE, Workspace
from practice.config.yamlfile import read_yaml

__all__ = ["TracesConfig", "load_traces"]


class TracesConfig(Closed):
    """Where the spans of a run are sent: an OpenTelemetry collector. A bare address stands for its mapping."""

    endpoint: str = Field(
        description="The collector's OTLP/HTTP address; unless it ends in `/traces`, `/v1/traces` is added."
    )
    headers_env: str | None = Field(
        default=None, description="The environment variable that holds headers for it, as `name=value,name=value`."
    )
    content: bool = Field(
        default=False, description="Whether messages, and the arguments and results of tools, go along."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_address(cls, value: Any) -> Any:
        return {"endpoint": value} if isinstance(value, str) else value

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        if any(is_secret(name) for name, _ in parse_qsl(urlsplit(value).query, keep_blank_values=True)):
            raise wrong("an address without keys: name the variable of the headers in headers_env", found="not shown")
        return check_address(value, "http://127.0.0.1:4318")

    @field_validator("headers_env")
    @classmethod
    def _check_variable(cls, value: str | None) -> str | None:
        return None if value is None else check_variable(value)

    @property
    def url(self) -> str:
        """Where spans are posted to."""
        parts = urlsplit(self.endpoint)
        path = parts.path.rstrip("/")
        return parts._replace(path=path if path.endswith("/traces") else f"{path}/v1/traces").geturl()

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return or_text(handler.resolve_ref_schema(handler(core_schema)))


class _Traces(BaseModel):
    """The one section that commands without settings of their own heed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    traces: TracesConfig | None = None


def load_traces(workspace: Workspace) -> TracesConfig | None:
    """``traces`` of the workspace's ``practice.yaml``, whatever else that holds; None without one.

    Raises InputError where the file is no YAML or the section is wrong.
    """
    path = workspace.root / SETTINGS_FILE
    return parse(_Traces, read_yaml(path)).traces if path.is_file() else None
