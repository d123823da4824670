"""What the project's BUILD files must hold, worked out from its imports.

    python tests/build_files.py           # says which files are out of date
    python tests/build_files.py --write   # brings them up to date

Each module is a target with its own direct imports of the project as `deps`,
visible to the packages that import it and to no others; third-party packages
come from the Python that runs the targets and are not named. What cannot be
read from an import, as `data`, `size` and `tags`, is written by hand in the
BUILD file and kept. A test, `build_files_test.py`, compares.
"""

import argparse
import ast
import dataclasses
import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "FOLDERS",
    "Module",
    "build_files",
    "find_cycle",
    "find_modules",
    "main",
]

FOLDERS = ("apps", "benchmarks", "keras_vae", "tests")

_PACKAGE = "keras_vae"
_LOAD = "@rules_python//python:defs.bzl"
_PYPROJECT = "//:pyproject.toml"

# Attributes that are worked out here; any other that a BUILD file has is kept.
# Who loads modules by their path: the start of those modules' names.
_BY_PATH = {"tests.apps.app": "apps."}
# Who imports what the registry names, as "module:function", when it is needed.
_BUILDER, _REGISTERED = "keras_vae.models.factory", "keras_vae.config."

_COMPUTED = {"name", "testonly", "srcs", "main", "visibility", "deps"}

# The order in which buildifier wants attributes; others in between, by name.
_FIRST = ["name", "size", "timeout", "testonly", "srcs"]
_LAST = ["visibility", "deps"]


@dataclasses.dataclass(frozen=True)
class Module:
    """A Python file of the project.

    Attributes:
        path: From the project's root, as `keras_vae/models/vae.py`.
        imports: Dotted names of the project's modules that it imports or
            runs itself, anywhere in the file.
        has_main: Whether it can be run as a script.
    """

    path: pathlib.PurePosixPath
    imports: frozenset[str]
    has_main: bool

    @property
    def name(self) -> str:
        """Dotted name; that of the folder for an `__init__.py`."""
        return _dotted(self.path)

    @property
    def folder(self) -> str:
        """The folder, which is the Bazel package."""
        return str(self.path.parent)

    @property
    def is_test(self) -> bool:
        """Whether pytest collects it."""
        return self.path.name.endswith("_test.py")

    @property
    def target(self) -> str:
        """Name of the target in its package."""
        if self.path.name != "__init__.py":
            return self.path.stem
        folder = self.path.parent
        return folder.name


def _dotted(path: pathlib.PurePosixPath) -> str:
    """Returns the dotted name of a file."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def find_modules(root: pathlib.Path) -> dict[str, Module]:
    """Reads every Python file of the project.

    Args:
        root: The project's root.

    Returns:
        modules: dotted name -> module.
    """
    files = sorted(
        file for folder in FOLDERS for file in root.glob(f"{folder}/**/*.py")
    )
    paths = [pathlib.PurePosixPath(file.relative_to(root)) for file in files]
    names = {_dotted(path) for path in paths}
    modules = {}
    built: set[str] = set()
    for file, path in zip(files, paths, strict=True):
        tree = ast.parse(file.read_text(), str(path))
        own = _dotted(path)
        package = own if path.name == "__init__.py" else own.rpartition(".")[0]
        imports = _imports(tree, package, names) | _mentions(tree, path, names)
        imports |= {n for n in names if n.startswith(_BY_PATH.get(own, "-"))}
        modules[own] = Module(path, frozenset(imports - {own}), _has_main(tree))
        if own.startswith(_REGISTERED):
            built |= {text.partition(":")[0] for text in _texts(tree)} & names
    if _BUILDER in modules:
        old = modules[_BUILDER]
        imports = frozenset(old.imports | built)
        modules[_BUILDER] = dataclasses.replace(old, imports=imports)
    return modules


def _texts(tree: ast.Module) -> set[str]:
    """Returns the strings in a file."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _imports(tree: ast.Module, package: str, names: set[str]) -> set[str]:
    """Returns which of the modules `names` the imports of a file name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {_nearest(alias.name, names) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            for alias in node.names:
                found.add(_nearest(f"{base}.{alias.name}", names))
    return found - {""}


def _mentions(
    tree: ast.Module, path: pathlib.PurePosixPath, names: set[str]
) -> set[str]:
    """Returns which of the modules `names` a file uses without an import.

    These are an attribute of a package that loads its parts when they are
    first used, as `keras_vae.models`; the name of a module in a string, which
    is what `python -m` is given; and the path of a script in a string, from
    the project's root or the file's own folder.
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            text = _chain(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if text.endswith(".py") and "\n" not in text:
                script = pathlib.PurePosixPath(text)
                found |= {_dotted(script), _dotted(path.parent / script)}
        else:
            continue
        if "." in text:
            found.add(text)
    return found & names


def _chain(node: ast.expr) -> str:
    """Returns `a.b.c` for the attribute of a name, else ""."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := _chain(node.value)):
        return f"{base}.{node.attr}"
    return ""


def _nearest(name: str, names: set[str]) -> str:
    """Returns the module that `name` is or is in; "" if none of `names`."""
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name


def _has_main(tree: ast.Module) -> bool:
    """Whether the file has an `if __name__ == "__main__"`."""
    return any(
        isinstance(node, ast.If)
        and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in tree.body
    )


def _dependencies(module: Module, modules: Mapping[str, Module]) -> set[str]:
    """Returns the dotted names of the modules that a target depends on."""
    needed = set(module.imports)
    if module.is_test:
        # pytest loads the conftest of each folder above, unasked.
        for folder in module.path.parents:
            needed.add(_dotted(folder / "conftest.py"))
    # An import runs the __init__.py of every folder above. The empty ones are
    # named; one that imports its own modules cannot be, since it would close
    # a circle, and those modules work without it.
    for name in (module.name, *module.imports):
        while name := name.rpartition(".")[0]:
            if name in modules and not modules[name].imports:
                needed.add(name)
    return (needed & set(modules)) - {module.name}


def find_cycle(modules: Mapping[str, Module]) -> list[str]:
    """Returns the dotted names of modules that import in a circle, or []."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for needed in sorted(_dependencies(modules[name], modules)):
            if circle := visit(needed, [*trail, name]):
                return circle
        done.add(name)
        return []

    for name in sorted(modules):
        if circle := visit(name, []):
            return circle
    return []


def build_files(
    root: pathlib.Path, modules: Mapping[str, Module]
) -> dict[str, str]:
    """Works out every BUILD file.

    Args:
        root: The project's root; attributes written by hand are read from the
            BUILD files there.
        modules: From `find_modules`.

    Returns:
        files: path from the root -> text, as buildifier formats it.
    """
    libraries = _library_names(modules)
    users: dict[str, set[str]] = {name: set() for name in modules}
    for module in modules.values():
        for name in _dependencies(module, modules):
            if modules[name].folder != module.folder:
                users[name].add(f"//{module.folder}:__pkg__")
    for name in _parts(modules):
        users[name].add("//:__pkg__")

    of_tests = _of_tests(modules)
    has_pyproject = (root / "pyproject.toml").exists()
    parts = [modules[name] for name in _parts(modules)]
    labels = [_label(part, libraries[part.name], "") for part in parts]
    files = {"BUILD": _root_file(labels, has_pyproject)}
    for folder in sorted({module.folder for module in modules.values()}):
        kept = _kept_attributes(root / folder / "BUILD")
        rules: list[tuple[str, dict[str, Any]]] = []
        for module in modules.values():
            if module.folder == folder:
                deps = [
                    _label(modules[name], libraries[name], folder)
                    for name in _dependencies(module, modules)
                ]
                rules += _rules(
                    module,
                    deps,
                    users[module.name],
                    libraries[module.name],
                    module.name in of_tests,
                )
        for kind, attributes in rules:
            if kind == "py_test" and has_pyproject:
                attributes["data"] = [_PYPROJECT]
            for key, value in kept.get(attributes["name"], {}).items():
                if key == "data":
                    value = _with_data(value, attributes.get("data", []))
                attributes[key] = value
        files[f"{folder}/BUILD"] = _format(rules)
    return files


def _library_names(modules: Mapping[str, Module]) -> dict[str, str]:
    """Returns dotted name -> name of the py_library that holds the module."""
    imported = {
        name
        for module in modules.values()
        for name in _dependencies(module, modules)
    }
    names = {}
    for name, module in modules.items():
        is_binary = module.has_main and not module.is_test
        names[name] = module.target + (
            "_lib" if is_binary and name in imported else ""
        )
    # A module may be called like its folder: then the folder's own target,
    # that of its __init__.py, gives way.
    for name, module in modules.items():
        twin = f"{name}.{module.target}"
        if module.path.name == "__init__.py" and twin in modules:
            names[name] = "__init__"
    return names


def _of_tests(modules: Mapping[str, Module]) -> set[str]:
    """Returns the dotted names of what is tests' or depends on them.

    Bazel lets only a `testonly` target depend on a `testonly` one.
    """
    found = {name for name in modules if name.split(".")[0] == "tests"}
    before = 0
    while before < len(found):
        before = len(found)
        found |= {
            name
            for name, module in modules.items()
            if _dependencies(module, modules) & found
        }
    return found


def _label(module: Module, target: str, folder: str) -> str:
    """Returns the label of a module's library, as seen from `folder`."""
    if module.folder == folder:
        return f":{target}"
    if module.path.parent.name == target:
        return f"//{module.folder}"
    return f"//{module.folder}:{target}"


def _rules(
    module: Module,
    deps: list[str],
    users: set[str],
    library: str,
    of_tests: bool,
) -> list[tuple[str, dict[str, Any]]]:
    """Returns the rules of one module: (kind, attributes)."""
    srcs = [module.path.name]
    common: dict[str, Any] = {"srcs": srcs, "deps": deps}
    if module.is_test:
        return [("py_test", {"name": module.target, **common})]
    if of_tests:
        common["testonly"] = True
    if not module.has_main:
        return [
            ("py_library", {"name": library, **common, "visibility": users})
        ]
    if library == module.target:
        return [("py_binary", {"name": module.target, **common})]
    binary = {**common, "name": module.target, "deps": [f":{library}"]}
    return [
        ("py_library", {"name": library, **common, "visibility": users}),
        ("py_binary", binary),
    ]


def _parts(modules: Mapping[str, Module]) -> list[str]:
    """Returns the package and its direct parts, which it loads by name."""
    return [
        name
        for name in modules
        if name == _PACKAGE or name.rpartition(".")[0] == _PACKAGE
    ]


def _root_file(parts: Sequence[str], has_pyproject: bool) -> str:
    """Returns the BUILD file of the root: the public name of the package."""
    rules = []
    if parts:
        attributes = {
            "name": _PACKAGE,
            "visibility": ["//visibility:public"],
            "deps": parts,
        }
        rules.append(("py_library", attributes))
    text = _format(rules)
    if not has_pyproject:
        return text
    exports = (
        "# pytest reads its settings from it.\n"
        "exports_files(\n"
        '    ["pyproject.toml"],\n'
        '    visibility = ["//tests:__subpackages__"],\n'
        ")\n"
    )
    load, _, rest = text.partition("\n\n")
    # Each part ends in one line break and is followed by an empty line.
    blocks = (block.strip("\n") for block in (load, exports, rest))
    return "\n\n".join(block for block in blocks if block) + "\n"


class _Source(str):
    """An expression that is kept as it stands, as `glob(["*.png"])`."""


def _kept_attributes(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Returns target -> attributes that were written by hand."""
    kept: dict[str, dict[str, Any]] = {}
    if not path.exists():
        return kept
    for node in ast.parse(path.read_text(), str(path)).body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            values = {
                keyword.arg: _literal(keyword.value)
                for keyword in node.value.keywords
                if keyword.arg
            }
            kept[values.get("name", "")] = {
                key: value
                for key, value in values.items()
                if key not in _COMPUTED
            }
    return kept


def _literal(node: ast.expr) -> Any:
    """Returns the value of an expression, or its source if it has a call."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _Source(ast.unparse(node).replace("'", '"'))


def _with_data(value: Any, data: Sequence[str]) -> Any:
    """Returns the hand-written `data` attribute with the labels of `data`."""
    if not isinstance(value, _Source):
        return {*value, *data}
    missing = "".join(f' + ["{label}"]' for label in data if label not in value)
    return _Source(value + missing)


def _format(rules: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Returns the text of a BUILD file."""
    rules = list(rules)
    kinds = sorted({kind for kind, _ in rules})
    if not rules:
        return ""
    symbols = ", ".join(f'"{kind}"' for kind in kinds)
    blocks = [f'load("{_LOAD}", {symbols})']
    for kind, attributes in rules:
        lines = [
            f"    {key} = {_value(key, attributes[key])},"
            for key in _ordered(attributes)
            if attributes[key] not in ([], set(), ())
        ]
        blocks.append("\n".join([f"{kind}(", *lines, ")"]))
    return "\n\n".join(blocks) + "\n"


def _ordered(attributes: Mapping[str, Any]) -> list[str]:
    """Returns the names of the attributes in buildifier's order."""
    middle = sorted(set(attributes) - {*_FIRST, *_LAST})
    return [key for key in (*_FIRST, *middle, *_LAST) if key in attributes]


def _value(key: str, value: Any) -> str:
    """Returns a value as Starlark."""
    if isinstance(value, _Source):
        return str(value)
    if isinstance(value, str):
        return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))
    if not isinstance(value, list | set | tuple):
        return repr(value)
    # The order of arguments means something; that of labels does not.
    items = list(value) if key == "args" else sorted(value, key=_label_order)
    if len(items) == 1:
        return f"[{_value(key, items[0])}]"
    lines = [f"        {_value(key, item)}," for item in items]
    return "\n".join(["[", *lines, "    ]"])


def _label_order(label: str) -> tuple[int, list[str]]:
    """Sorting key of buildifier: files, then ":", "//" and "@"."""
    phases = [":", "//", "@"]
    phase = next((i for i, p in enumerate(phases, 1) if label.startswith(p)), 0)
    return phase, label.replace(":", ".").split(".")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares the BUILD files with the imports, or writes them.

    Args:
        arguments: Command-line arguments; those of the process if None.

    Returns:
        Exit code: 1 if a file is out of date and was not written.
    """
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="write the files")
    parser.add_argument(
        "--root",
        type=pathlib.Path,
        default=pathlib.Path(__file__).resolve().parent.parent,
    )
    flags = parser.parse_args(arguments)
    stale = False
    files = build_files(flags.root, find_modules(flags.root))
    for name, text in files.items():
        path = flags.root / name
        if path.exists() and path.read_text() == text:
            continue
        if flags.write:
            path.write_text(text)
            print(f"wrote {name}")
        else:
            stale = True
            print(f"{name} is out of date: python tests/build_files.py --write")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
