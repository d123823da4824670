"""The rooms of the house: names say where one is, and tests lie beside."""

import collections
import pathlib

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_ROOMS = {path.parent.name for path in _ROOT.glob("keras_vae/*/__init__.py")}
# Folders of tests that are of no one room.
_OTHERS = {"apps", "benchmarks", "end_to_end", "golden"}
# A file with more lines is about more than one thing.
_MAX_LINES = 350


def test_names_of_modules_are_unique():
    places = collections.defaultdict(list)
    for path in _ROOT.glob("keras_vae/**/*.py"):
        if path.name != "__init__.py":
            places[path.name].append(str(path.relative_to(_ROOT)))
    assert len(places) > 200
    assert [found for found in places.values() if len(found) > 1] == []


def test_each_room_has_its_tests():
    folders = {path.parent.name for path in _ROOT.glob("tests/*/__init__.py")}
    assert folders - _OTHERS == _ROOMS


def test_no_file_of_the_package_is_long():
    long = {
        str(path.relative_to(_ROOT)): lines
        for path in _ROOT.glob("keras_vae/**/*.py")
        if (lines := path.read_text().count("\n")) > _MAX_LINES
    }
    assert long == {}
