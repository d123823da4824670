"""How a folder of tests is declared."""

load("@rules_python//python:defs.bzl", "py_library", "py_test")

def python_tests(nested = True, data = []):
    """Declares each *_test.py of a folder, and `support`, what they share.

    Args:
        nested: Whether the folders below belong to it.
        data: Files that the tests read.
    """
    where = "**/*" if nested else "*"
    py_library(
        name = "support",
        testonly = True,
        srcs = native.glob(
            [where + ".py"],
            exclude = [where + "_test.py"],
        ),
        data = data,
        visibility = ["//:__subpackages__"],
    )
    for path in native.glob([where + "_test.py"]):
        py_test(
            name = path[:-len(".py")],
            srcs = [path],
            data = ["//:pyproject.toml"],
            deps = ["//tests:everything"],
        )
