from __future__ import annotations

import io
import re
import unicodedata

import pytest

from widthwise.pages import Curves, Line, Section
from widthwise.pages.terminal import print_alerts, print_page_head, print_section

STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Stream(io.StringIO):
    def __init__(self, *, tty=False, encoding="utf-8"):
        super().__init__()
        self._tty, self._encoding = tty, encoding

    @property
    def encoding(self):
        return self._encoding

    def isatty(self):
        return self._tty

    def write(self, text):
        text.encode(self._encoding)
        return super().write(text)


def printed(page, stream, width=None):
    print_page_head(page, stream, width=width)
    print_alerts(page.alerts, stream, width=width)
    for section in page.sections:
        print_section(section, stream=stream, width=width)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def test_a_line_of_one_point_gets_a_column_of_its_own():
    drawn = Curves(
        title="t",
        description="",
        x_label="x",
        y_label="y",
        lines=(
            Line(label="many", x=(10.0, 20.0, 40.0, 80.0), y=(1.0, 2.0, 3.0, 4.0), kind="prediction", group=0),
            Line(label="one", x=(31.0,), y=(7.25,), kind="measurement", group=1),
        ),
        log_x=True,
    )
    stream = io.StringIO()
    print_section(Section(title="s", lead="", blocks=(drawn,)), stream=stream)
    rows = {line.split()[0]: line for line in stream.getvalue().splitlines() if line.strip()}
    assert "7.25" in rows["one"]
    assert "31" in rows["10"]


def test_plain_output_has_no_escapes_and_a_width_of_100(page, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = printed(page, Stream())
    assert "\x1b" not in text
    assert not re.search("[█▏─•▁]", text)
    assert all(line == line.rstrip() for line in text.splitlines())
    assert max(map(len, text.splitlines())) <= 100


def test_a_terminal_of_80_columns(page):
    text = printed(page, Stream(tty=True), width=80)
    assert "\x1b[1m" in text
    bare = STYLE.sub("", text)
    assert "\x1b" not in bare
    code = [line for line in bare.splitlines() if line.startswith("    ")]
    assert max(len(line) for line in bare.splitlines() if line not in code) <= 80
    assert re.search("[▁▂▃▄▅▆▇█]", bare)


def test_the_numbers_are_there(page):
    text = printed(page, Stream())
    for part in ("310", "learning rate 0.2", "80 %", "(0.75 to 0.85)", "did not converge", "predicted", "Warning: 24"):
        assert part in text
    # exp(-1 / 50) at the first of the abscissae.
    assert re.search(r"predicted +0\.98 ", text)
    assert "Hidden at first" not in text


def test_text_that_the_stream_cannot_encode_is_spelled_out(page, builders):
    text = printed(page, Stream(encoding="ascii"))
    assert text.isascii()
    assert "10^" in printed(builders.page((builders.page().sections[2],)), Stream(encoding="ascii"))


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_hostile_text_drives_no_terminal(builders, tty, encoding):
    for name in builders.HOSTILE:
        text = (
            STYLE.sub("", printed(builders.hostile_page(name), Stream(tty=tty, encoding=encoding), width=80))
            if tty
            else printed(builders.hostile_page(name), Stream(encoding=encoding))
        )
        bad = {c for c in text if unicodedata.category(c) in {"Cc", "Cs"} and c != "\n"}
        assert not bad, (name[:40], bad)
        assert "\u202e" not in text
    assert "[bold]rich[/bold] :smile:" in printed(builders.hostile_page("[bold]rich[/bold] :smile:"), Stream())


def test_user_escape_sequences_are_seen_not_obeyed(builders):
    text = printed(builders.hostile_page("\x1b[31mred"), Stream(tty=True), width=80)
    assert "\x1b[31mred" not in text
    assert "\\x1b[31mred" in text
