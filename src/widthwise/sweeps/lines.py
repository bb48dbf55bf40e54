"""Where a key stands in a TOML text: the line for each path of keys, found by a scan that knows strings and brackets."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]
_HEADER = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|=|$)""")


def key_lines(text: str) -> dict[Path, int]:
    """Line, counted from 1, of each key and table of a TOML text.

    Args:
        text: valid TOML, or nearly.

    Returns:
        By path of keys; members of arrays of tables have their number in the path.
    """
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        header = _HEADER.match(line)
        if header:
            keys = _keys(header[2] + "=")[0]
            table = keys
            if header[1] == "[[":
                counts[keys] = counts.get(keys, -1) + 1
                found.setdefault(keys, number + 1)
                table = (*keys, counts[keys])
            found.setdefault(table, number + 1)
            number += 1
            continue
        keys, rest = _keys(line)
        if keys and rest is not None:
            for depth in range(1, len(keys) + 1):
                found.setdefault((*table, *keys[:depth]), number + 1)
            number = _inline(lines, number, len(line) - len(rest), (*table, *keys), found)
        number += 1
    return found


def line_of(path: Path, lines: dict[Path, int]) -> int | None:
    """The line of the longest beginning of a path that stands somewhere."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


def _keys(line: str) -> tuple[Path, str | None]:
    """The dotted key that a line begins with, and what follows its equals sign."""
    keys: list[str | int] = []
    at = 0
    while match := _KEY.match(line, at):
        keys.append(next(group for group in match.groups()[:3] if group is not None))
        at = match.end()
        if match[4] == "=":
            return tuple(keys), line[at:]
        if match[4] != ".":
            break
    return (), None


def _inline(lines: list[str], number: int, start: int, path: Path, found: dict[Path, int]) -> int:
    """Walk over a value, note keys of inline tables and members of arrays; the number of its last line."""
    depth: list[tuple[str, int]] = []  # brackets that are open, and the member that comes next
    where: list[str | int] = []
    at = start
    while number < len(lines):
        line = lines[number]
        while at < len(line):
            character = line[at]
            if character == "#":
                break
            if character in "\"'":
                number, at = _string(lines, number, at)
                line = lines[number] if number < len(lines) else ""
                continue
            if character == "[":
                depth.append(("[", 0))
                where.append(0)
                found.setdefault((*path, *where), number + 1)
            elif character == "{":
                depth.append(("{", 0))
                where.append("")
            elif character in "]}" and depth:
                depth.pop()
                where.pop()
            elif character == "," and depth and depth[-1][0] == "[":
                where[-1] = int(where[-1]) + 1
                found.setdefault((*path, *where), number + 1)
            if character in "{," and depth and depth[-1][0] == "{":
                keys, rest = _keys(line[at + 1 :])
                if keys and rest is not None:
                    where[-1] = keys[0]
                    found.setdefault((*path, *where), number + 1)
            at += 1
        if not depth:
            return number
        number, at = number + 1, 0
        if (
            where
            and isinstance(where[-1], int)
            and depth[-1][0] == "["
            and number < len(lines)
            and lines[number].strip()
        ):
            # A member that begins on a line of its own stands there, not at the comma before it.
            found[(*path, *where)] = number + 1
    return number


def _string(lines: list[str], number: int, at: int) -> tuple[int, int]:
    """Line and column after a string that begins here."""
    line = lines[number]
    mark = line[at : at + 3] if line[at : at + 3] in ('"""', "'''") else line[at]
    at += len(mark)
    while True:
        line = lines[number]
        while at < len(line):
            if line[at] == "\\" and mark[0] == '"':
                at += 2
                continue
            if line.startswith(mark, at):
                return number, at + len(mark)
            at += 1
        number, at = number + 1, 0
        if number >= len(lines) or len(mark) == 1:
            return number - (number >= len(lines)), len(line)
