"""Tests of modules that register parts."""

import dataclasses
import sys

import pytest

from keras_vae.config import DenseConfig, VAEConfig, registry
from keras_vae.config.plugins import import_parts, imports_of
from keras_vae.config.registry import parts
from keras_vae.errors import UserError

_PRIOR = '''
import dataclasses
from keras_vae.config import PartConfig, register, setting

@register("prior", "{name}", build=lambda config, context: None)
@dataclasses.dataclass(frozen=True)
class MyPrior(PartConfig):
    """Mine."""

    scale: float = setting(2.0, "Its scale.", low=0)
'''
_NAME = "my_parts_of_a_test"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Returns a function that writes a module and returns its name."""
    copies = {kind: dict(found) for kind, found in registry._PARTS.items()}
    monkeypatch.setattr(registry, "_PARTS", copies)
    monkeypatch.syspath_prepend(tmp_path)

    def write(text):
        (tmp_path / f"{_NAME}.py").write_text(text)
        return _NAME

    yield write
    sys.modules.pop(_NAME, None)


def test_a_module_registers_its_parts(module):
    import_parts([module(_PRIOR.format(name="mine"))])
    config = VAEConfig(prior={"name": "mine", "scale": 3.0})
    assert config.prior == parts("prior")["mine"](3.0)
    assert imports_of(config) == [_NAME]


def test_own_parts_and_those_of_a_script_need_no_import():
    @dataclasses.dataclass(frozen=True)
    class Here(type(VAEConfig().prior)):
        """As in a notebook."""

    Here.__module__ = "__main__"
    assert imports_of(VAEConfig(prior=Here())) == []
    assert imports_of(VAEConfig(architecture=DenseConfig())) == []


@pytest.mark.parametrize("name", ["no_such_module", "no_such.module"])
def test_no_such_module(name):
    with pytest.raises(UserError, match=rf"no module {name}.*--import={name}"):
        import_parts([name])


def test_what_is_done_first_waits_until_all_are_found(module):
    done = []
    name = module("")
    with pytest.raises(UserError, match="no module no_such_module"):
        import_parts([name, "no_such_module"], first=lambda: done.append(1))
    import_parts([], first=lambda: done.append(2))
    assert done == []
    import_parts([name], first=lambda: done.append(name in sys.modules))
    assert done == [False]
    assert name in sys.modules


@pytest.mark.parametrize("name", ["", ".relative", f"{_NAME}.py"])
def test_what_is_no_name_of_a_module(name, module):
    module("")
    with pytest.raises(UserError, match=rf"--import={name}$"):
        import_parts([name])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError"),
        ("import no_such_package", "No module named 'no_such_package'"),
        ("raise ValueError('bad')", "ValueError: bad"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_module_that_fails_has_its_own_traceback(text, words, module):
    name = module(f"x = 1\n{text}\n")
    with pytest.raises(UserError) as caught:
        import_parts([name])
    message = str(caught.value)
    lines = message.splitlines()
    assert lines[0] == f"The module of --import={name} fails:"
    assert lines[1] == "Traceback (most recent call last):"
    assert f'{name}.py", line 2' in message
    assert words in message
    assert "plugins.py" not in message
    assert "importlib" not in message
    assert lines[-1].endswith(f"Received: --import={name}")


def test_a_name_that_exists(module):
    name = module(_PRIOR.format(name="standard_normal"))
    with pytest.raises(UserError) as caught:
        import_parts([name])
    message = str(caught.value)
    assert message.startswith(f"The module of --import={name} cannot be used.")
    assert "exists already" in message
    assert "'standard_normal'" in message
    assert "\n" not in message


if __name__ == "__main__":
    raise SystemExit(pytest.main([__file__]))
