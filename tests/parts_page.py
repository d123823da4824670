"""The documentation's page of parts, made from the registry.

    python -m tests.parts_page    writes docs/parts.md

A test, `parts_page_test.py`, compares.
"""

import dataclasses
import inspect
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from keras_vae.config import ModelConfig
from keras_vae.config.registry import KINDS, PartConfig, parts

__all__ = ["PATH", "page"]

PATH = pathlib.Path(__file__).absolute().parents[1] / "docs" / "parts.md"

_HEAD = """# Parts

A model is made of parts, each chosen by its name, and each with settings of
its own:

```
python apps/train.py --dataset=mnist --config.objective=importance_weighted \\
  --config.objective.num_samples=5 --config.architecture=dense \\
  --config.architecture.hidden_units=512,256
```

`python apps/train.py --model=MODEL --help` shows them with the defaults of that
model, which may differ from those below. In Python a part is its name, a dict
or its class:

```python
from keras_vae.config import DenseConfig, VAEConfig

config = VAEConfig(
    posterior="full",
    objective={"beta": 4.0},
    architecture=DenseConfig((512, 256)),
)
```

[CONTRIBUTING.md](../CONTRIBUTING.md#a-part-of-your-own) shows how to add a part
of your own. This page is made from the registry: `python -m tests.parts_page`.
"""
_FLAGS = {"model": "--model"}


def page() -> str:
    """Returns the page."""
    return "\n".join([_HEAD, *(line for k in KINDS for line in _kind(k))])


def _kind(kind: str) -> Iterator[str]:
    flag = _FLAGS.get(kind, f"--config.{kind}")
    yield f"## {kind.capitalize()}: `{flag}=`\n"
    yield "| name | what it is |\n| --- | --- |"
    for name, cls in parts(kind).items():
        yield f"| `{name}` | {_first_line(cls)}{_needs(cls)} |"
    yield ""
    common = _defaults(ModelConfig) if kind == "model" else {}
    if common:
        yield from _table(kind, "every model", ModelConfig, {})
    for name, cls in parts(kind).items():
        if _defaults(cls).items() - common.items():
            yield from _table(kind, f"`{name}`", cls, common)


def _defaults(cls: type[PartConfig]) -> dict[str, Any]:
    return {field.name: field.default for field in dataclasses.fields(cls)}


def _table(
    kind: str, name: str, cls: type[PartConfig], common: Mapping[str, Any]
) -> Iterator[str]:
    """Yields the settings that `common` does not have, or has otherwise."""
    yield f"Settings of {name}:\n"
    yield "| setting | default | what it is |\n| --- | --- | --- |"
    for field in dataclasses.fields(cls):
        if (field.name, field.default) not in common.items():
            yield _setting(kind, field)
    yield ""


def _first_line(cls: type[PartConfig]) -> str:
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]


def _needs(cls: type[PartConfig]) -> str:
    words = [f" Needs {need}." for need in cls.needs]
    support = getattr(cls, "support", "")
    return "".join([*words, f" Support: {support}." if support else ""])


def _setting(kind: str, field: dataclasses.Field) -> str:
    prefix = "" if kind == "model" else f"{kind}."
    default = field.default
    text = ",".join(map(str, default)) if type(default) is tuple else default
    help = field.metadata["help"].replace("|", "\\|")
    return f"| `{prefix}{field.name}` | `{text}` | {help} |"


if __name__ == "__main__":
    PATH.write_text(page())
    print(f"wrote {PATH}")
