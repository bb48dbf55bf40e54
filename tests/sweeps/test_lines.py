"""Lines of keys: the scan finds what the parser finds."""

from __future__ import annotations

import tomllib

import pytest

from widthwise.sweeps.lines import key_lines, line_of

TEXT = '''# a comment with name = "x"
name = "a = b"   # and another
[settings]
width = 3
"quoted key" = 1
long = """
width = 4
[product]
"""
raw = \'\'\'
x = 1\'\'\'
probes = [
  "a",
  # not a member
  "b", "c]",
]

[product]
seed = { from = 0, to = 5, count = 3 }
kappa = [[1, 2], [3,
  4]]
a.b . c = 2

[[figures]]
y = "#"
[[figures]]
y = "z"
'''


def paths(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield (*path, place)
            yield from paths(inner, (*path, place))


def test_every_key_and_member_that_toml_knows_has_its_line():
    found = key_lines(TEXT)
    known = set(paths(tomllib.loads(TEXT)))
    assert known <= set(found)
    lines = TEXT.split("\n")
    for path in known:
        if isinstance(path[-1], str):
            assert path[-1] in lines[found[path] - 1], path
    assert found["settings", "probes", 1] == found["settings", "probes", 2] == 15
    assert found["product", "kappa", 1, 1] == 21
    assert found["figures", 1, "y"] == 27


def test_the_line_of_what_is_missing_is_that_of_its_table():
    found = key_lines(TEXT)
    assert line_of(("settings", "absent"), found) == 3
    assert line_of(("settings", "probes", 9), found) == 12
    assert line_of(("absent",), found) is None


@pytest.mark.parametrize("text", ["", "[", "a = '", 'a = """\n', "a = [\n", "[[", "= 3", "a", "\x00", "a = {b"])
def test_text_that_is_not_toml_does_no_harm(text):
    key_lines(text)
