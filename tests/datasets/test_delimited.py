"""Delimited text: every trap of CSV files is an error with its line, or is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widthwise.datasets import load
from widthwise.datasets.delimited import read_delimited
from widthwise.errors import DataError, UsageError


@pytest.fixture
def table(tmp_path):
    """Writes bytes or text to a file and loads it."""

    def write_and_load(content, target="label", name="data.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load(path, target=target, **options)

    return write_and_load


GOOD = "a,b,label\n1,2,x\n3,4,y\n5,7,x\n"


def test_a_plain_table(table, tmp_path):
    ds = table(GOOD)
    assert ds.X.tolist() == [[1, 2], [3, 4], [5, 7]]
    assert ds.y.tolist() == [0, 1, 0]
    assert ds.classes == ("x", "y")
    assert ds.feature_names == ("a", "b")
    assert ds.target_name == "label"
    assert ds.source == str(tmp_path / "data.csv")
    assert ds.rows.tolist() == [0, 1, 2]
    assert ds.alerts == ()


def test_the_first_column_is_never_an_index(table):
    ds = table("label,a,b\nx,1,2\ny,3,4\nx,5,7\n")
    assert ds.feature_names == ("a", "b")
    assert ds.X[:, 0].tolist() == [1, 3, 5]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends(table, end):
    assert table(GOOD.replace("\n", end)).X.tolist() == [[1, 2], [3, 4], [5, 7]]


def test_a_byte_order_mark_is_no_part_of_the_first_name(table):
    assert table(b"\xef\xbb\xbf" + GOOD.encode()).feature_names == ("a", "b")


@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_other_delimiters_are_detected_and_told(table, delimiter, word):
    ds = table(GOOD.replace(",", delimiter))
    assert ds.X.tolist() == [[1, 2], [3, 4], [5, 7]]
    assert any(word in note for note in ds.notes)


def test_two_possible_delimiters_are_refused(table):
    with pytest.raises(DataError, match=r"ambiguous: comma .* semicolon"):
        table("a;b,c;label\n1;2,3;x\n4;5,6;y\n7;8,9;x\n")


def test_blank_lines_are_skipped(table):
    assert table("\n" + GOOD.replace("\n", "\n\n   \n")).n == 3


def test_a_delimiter_at_the_end_of_every_line_is_dropped_and_told(table):
    ds = table("a,b,label,\n1,2,x,\n3,4,y,\n5,7,x,\n")
    assert ds.feature_names == ("a", "b")
    assert any("end of every line" in note for note in ds.notes)


def test_a_column_without_a_name_gets_one(table):
    ds = table("a,,label\n1,2,x\n3,4,y\n5,7,x\n")
    assert ds.feature_names == ("a", "column_1")
    assert any("has no name" in note for note in ds.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,label\n1,2,x\n3,4,9,y\n5,7,x\n", "line 3 .* has 4 fields, the header has 3"),
        ("a,b,label\n1,2,x\n\n3,y\n5,7,x\n", "line 4 .* has only 2 fields, the header has 3"),
        ('a,b,label\n1,"2\n2",x\n3,y\n5,7,x\n', "line 4 .* has only 2 fields"),
        ("a,b,label\n0,1,2,x\n1,3,4,y\n2,5,7,x\n", "every row .* one field more than the header .*4 against 3"),
        ('a,b,label\n1,2,x\n3,"4,y\n5,7,x\n', "quote that opens in line 3 .* never closed"),
        ('a,b,label\n1,2,x\n"3" 4,5,y\n5,7,x\n', "line 3 .* text after a closing quote"),
        ("a,a,label\n1,2,x\n3,4,y\n5,7,x\n", "distinct; 'a' occurs more than once"),
        ("a,b,label\n", "holds the header only"),
        ("\n \n\n", "blank lines only"),
        ("label\nx\ny\nx\n", "at least two columns"),
        ("a b label\n1 2 x\n3 4 y\n", "separated by spaces"),
        ("a,b,label\n1,2\0,x\n3,4,y\n5,6,x\n", "NUL byte in line 2"),
        ("a,b,label\n1,2,x\n3,4,y\n", "at least 3 rows; it holds 2"),
        ("a,b,label\n1," + "9" * 200_000 + ",x\n3,4,y\n", "line 2 .* more than 131072 characters"),
    ],
)
def test_faults_are_named_with_their_line(table, text, message):
    with pytest.raises(DataError, match=message):
        table(text)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_guessed(table, encoding):
    with pytest.raises(DataError, match="looks like UTF-16"):
        table(GOOD.encode(encoding))
    assert table(GOOD.encode(encoding), encoding=encoding).n == 3


def test_latin_1_is_guessed_with_its_line(table):
    data = GOOD.replace("y", "é").encode("latin-1")
    with pytest.raises(DataError, match="line 3 is not: it looks like Latin-1"):
        table(data)
    assert table(data, encoding="latin-1").classes == ("x", "é")


def test_an_unknown_encoding_is_a_usage_error(table):
    with pytest.raises(UsageError, match="'utf-9' is not known"):
        table(GOOD, encoding="utf-9")


def test_words_for_missing_values_are_classes(table):
    ds = table("a,label\n1,NA\n2,None\n3,null\n4,nan\n5,True\n6,0\n7,NA\n")
    assert ds.classes == ("0", "NA", "None", "True", "nan", "null")


def test_an_unnamed_target_keeps_its_words_too(table):
    assert table("a,Label\n1,NA\n2,007\n3,7\n", target=None).classes == ("007", "7", "NA")


def test_leading_zeros_keep_classes_apart(table):
    assert table("a,label\n1,007\n2,7\n3,007\n").classes == ("007", "7")


@pytest.mark.parametrize("word", ["nan", "NaN", "NA", "", "1e400", "inf", "?"])
def test_cells_that_are_no_numbers_are_named(table, word):
    rows = "".join(f"{i},{i * i},{'xy'[i % 2]}\n" for i in range(10))
    with pytest.raises(DataError, match="row 10, column 'b'"):
        table(f"a,b,label\n{rows}3,{word},x\n")


def test_only_the_first_five_cells_are_named(table):
    rows = "".join(f"{i},{i * i},{'xy'[i % 2]}\n" for i in range(20)) + "1,,x\n" * 7
    with pytest.raises(DataError, match=r"row 24, .*and 2 more") as caught:
        table(f"a,b,label\n{rows}")
    assert "row 25" not in str(caught.value)


@pytest.mark.parametrize(("cell", "hint"), [("1,5", "decimal commas"), ("1,234,567", "thousands")])
def test_commas_in_numbers_give_a_hint(table, cell, hint):
    text = "a;b;label\n" + "".join(f'{i};"{cell}";{"xy"[i % 2]}\n' for i in range(6))
    with pytest.raises(DataError, match=hint):
        table(text)


def test_a_header_of_numbers_raises_an_alert(table):
    ds = table("5,6,7\n1,2,0\n3,4,1\n5,7,0\n", target="7")
    assert any("read as the header" in alert for alert in ds.alerts)


def test_names_are_kept_raw(table):
    names = ["<script>", "\"'><img onerror=", "\u202eevil", "🙂", "x" * 10_000, "new\nline", "\x1b[31m"]
    header = ",".join('"' + n.replace('"', '""') + '"' for n in names)
    body = "".join(",".join(str(i * 10 + j * i * i) for j in range(len(names))) + f",{'xy'[i % 2]}\n" for i in range(4))
    ds = table(f"{header},label\n{body}")
    assert list(ds.feature_names) == names


def test_messages_hold_no_control_characters(table):
    with pytest.raises(DataError) as caught:
        table('"\x1b[31m","\u202e",label\n1,2,x\n3,4,y\n5,6,x\n', target="labl")
    assert "did you mean 'label'?" in str(caught.value)
    assert not set(str(caught.value)) & {"\x1b", "\u202e"}


def test_twenty_thousand_columns_are_read(table):
    names = ",".join(f"c{j}" for j in range(20_000))
    body = "".join(",".join(str(i * j) for j in range(20_000)) + f",{i % 2}\n" for i in range(3))
    assert table(f"{names},label\n{body}").d == 19_999  # c0 is constant


@settings(deadline=None)  # the shape checker compiles on first use
@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53)),
        min_size=1,
        max_size=20,
    )
)
def test_numbers_are_read_back_exactly(rows):
    text = "a,b,t\n" + "".join(f"{a!r},{b},{i}\n" for i, (a, b) in enumerate(rows))
    frame = read_delimited(text.encode(), where="x").frame
    np.testing.assert_array_equal(frame["a"].to_numpy(dtype=float), [a for a, _ in rows])
    np.testing.assert_array_equal(frame["b"].to_numpy(), [b for _, b in rows])


cells = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1, max_size=6)


@settings(deadline=None)  # the shape checker compiles on first use
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8))
def test_quoted_text_is_read_back_exactly(rows):
    quote = lambda s: '"' + s.replace('"', '""') + '"'  # noqa: E731
    text = "a,b\n" + "".join(f"{quote(a)},{quote(b)}\n" for a, b in rows)
    frame = read_delimited(text.encode(), where="x", text_columns=("a", "b")).frame
    assert frame["a"].tolist() == [a for a, _ in rows]
    assert frame["b"].tolist() == [b for _, b in rows]
