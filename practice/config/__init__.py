"""YAML and ``--set`` to frozen values; the workspace's paths. The only room that imports yaml.

``schema`` (base, models) < ``mcp`` (servers), ``panel`` (judges) < ``settings`` (``practice.yaml``) < ``load``;
``yamlfile`` (reading, lines) < ``parse`` (errors) < ``load``.
"""

from __future__ import annotations

from practice.config.doc import json_schemas, settings_markdown
from practice.config.load import load_settings, require_reward
from practice.config.mcp import McpServer, McpTools
from practice.config.panel import MODES, RUBRICS, WORDINGS, Evaluator, Grid, JudgeConfig, PanelFile, load_panel
from practice.config.parse import parse
from practice.config.prices import PRICES_FILE, PriceFile, load_prices, priced
from practice.config.schema import Closed, ModelSpec, Price, wrong
from practice.config.settings import (
    REWARDS,
    AcceptConfig,
    BudgetConfig,
    EvaluateConfig,
    MemoryConfig,
    PracticeConfig,
    Retrieve,
    RolloutsConfig,
    Settings,
    TasksConfig,
    TeacherConfig,
    check_reward,
    describe_change,
    fingerprint_fields,
)
from practice.config.traces import TracesConfig, load_traces
from practice.config.walk import leaf_keys
from practice.config.workspace import Workspace, choose_workspace, load_env, shown, starter_root
from practice.config.yamlfile import Yaml, dump_yaml, neighbour, read_yaml, read_yaml_text, write_yaml

__all__ = [
    "MODES",
    "PRICES_FILE",
    "REWARDS",
    "RUBRICS",
    "WORDINGS",
    "AcceptConfig",
    "BudgetConfig",
    "Closed",
    "EvaluateConfig",
    "Evaluator",
    "Grid",
    "JudgeConfig",
    "McpServer",
    "McpTools",
    "MemoryConfig",
    "ModelSpec",
    "PanelFile",
    "PracticeConfig",
    "Price",
    "PriceFile",
    "Retrieve",
    "RolloutsConfig",
    "Settings",
    "TasksConfig",
    "TeacherConfig",
    "TracesConfig",
    "Workspace",
    "Yaml",
    "check_reward",
    "choose_workspace",
    "describe_change",
    "dump_yaml",
    "fingerprint_fields",
    "json_schemas",
    "leaf_keys",
    "load_env",
    "load_panel",
    "load_prices",
    "load_settings",
    "load_traces",
    "neighbour",
    "parse",
    "priced",
    "read_yaml",
    "read_yaml_text",
    "require_reward",
    "settings_markdown",
    "shown",
    "starter_root",
    "write_yaml",
    "wrong",
]
