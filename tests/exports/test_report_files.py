"""The report's two files by themselves: directions and joined letters, lines that fit, right objects, escaped words."""

import io
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.exports.report.blocks import Block, Cover, Facts, Heading, Picture, Pictures, Table, Words, cell, code, quote
from app.exports.report.html_pages import HtmlReport
from app.exports.report.pdf_file import NotAJpeg, jpeg_size
from app.exports.report.pdf_fonts import font_file, shaped, subset
from app.exports.report.pdf_pages import PdfReport
from app.exports.report.pdf_text import Line, lines_of
from app.kernel.primitives import sha256_hex
from tests.support.examples import examples
from tests.support.pdf_reading import read_pdf

MADE = datetime(2026, 11, 26, 23, 45, tzinfo=UTC)
MUHAMMAD, SHALOM, KOSTIANTYNIVKA = "محمد", "שלום", "Костянтинівка"


def seen(line: Line) -> str:
    """The letters from left to right, as they stand on the page."""
    return "".join(glyph.text for piece in line.pieces for glyph in piece.shape.glyphs)


def printed(*blocks: Block) -> bytes:
    written = bytearray()
    report = PdfReport(written.extend, "running foot")
    for block in blocks:
        report.take(block)
    report.close(title="A report", identity=b"one", made=MADE)
    return bytes(written)


def page_of(*blocks: Block) -> str:
    written = bytearray()
    report = HtmlReport(written.extend, "A report")
    for block in blocks:
        report.take(block)
    report.close()
    return written.decode()


def picture(colour: str = "red", size: tuple[int, int] = (60, 40)) -> Picture:
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, "JPEG")
    return Picture(made.getvalue(), sha256_hex(made.getvalue()), *size, "The picture")


# --- letters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("font", ["sans", "bold"])
def test_arabic_when_shaped_then_letters_take_their_joined_forms_from_right_to_left(font: str) -> None:
    run = shaped(font, MUHAMMAD, True)
    alone = [shaped(font, letter, True).glyphs[0].number for letter in MUHAMMAD]
    assert [glyph.text for glyph in run.glyphs] == list(reversed(MUHAMMAD))
    forms = [glyph.number for glyph in reversed(run.glyphs)]
    assert 0 not in forms
    assert all(form != isolated for form, isolated in zip(forms, alone, strict=True)), "each of the four is joined"


@pytest.mark.parametrize("font", ["sans", "bold"])
@pytest.mark.parametrize("name", [MUHAMMAD, SHALOM, KOSTIANTYNIVKA, "Ёжик ґанок", "Ḥanīnā", "Şırnak", "Αθήνα"])
def test_name_when_in_a_script_of_the_field_then_every_letter_has_a_form(name: str, font: str) -> None:
    assert all(glyph.number for line in lines_of(name, font, 10, 300) for p in line.pieces for glyph in p.shape.glyphs)


def test_line_when_it_mixes_directions_then_runs_are_seen_as_they_are_read() -> None:
    (line,) = lines_of("abc שלום 14 עולם def", "sans", 10, 500)
    assert seen(line) == "abc םלוע 14 םולש def"
    assert not line.is_rtl
    (other,) = lines_of("שלום abc 14", "sans", 10, 500)
    assert seen(other) == "abc 14 םולש"
    assert other.is_rtl


def test_line_when_a_name_turns_the_direction_around_by_unseen_signs_then_they_are_left_out() -> None:
    (line,) = lines_of("gpj.\u202eexe\u2066\u0007", "sans", 10, 500)
    assert seen(line) == "gpj.exe"


@given(st.text(max_size=120), st.sampled_from([30.0, 90.0, 400.0]))
@settings(max_examples=examples(60))
def test_lines_when_of_any_text_then_fit_and_lose_no_letter(text: str, width: float) -> None:
    lines = list(lines_of(text, "sans", 9.5, width))
    widest = max((shaped("sans", letter, False).width for letter in text), default=0) * 9.5 / 1000
    assert all(line.width <= max(width, widest) + 9.5 for line in lines)
    unseen = ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")
    kept = [each for each in text if unicodedata.category(each) not in unseen or each in "\u200c\u200d"]
    got = [
        each
        for line in lines
        for each in line.text
        if unicodedata.category(each) not in unseen or each in "\u200c\u200d"
    ]
    assert got == kept


# --- PDF --------------------------------------------------------------------------------------------------------------

WHOLE: tuple[Block, ...] = (
    Cover(KOSTIANTYNIVKA, "A subtitle", [("Package", code("1a2b"))], "A note"),
    Heading(0, "Incidents"),
    Heading(1, f"I-1 · {SHALOM}"),
    Words(f"{MUHAMMAD} نور", "quote"),
    Facts([("Name", quote(MUHAMMAD)), ("Digest", code("8378025a" * 8))]),
    Pictures([picture(), picture("blue"), picture()]),
    Pictures([Picture(picture(size=(480, 30)).jpeg, "strip", 480, 30, "Frames", 60)]),
    Table(["Act", "What"], [20, 80], [[cell(number), quote("word " * 30)] for number in range(60)]),
)


def test_pdf_when_written_then_its_table_leads_to_every_object_and_its_text_is_found() -> None:
    read = read_pdf(printed(*WHOLE))
    text = read.text()
    for word in (
        KOSTIANTYNIVKA,
        "Incidents",
        "8378025a" * 8,
        "word word",
        "running foot",
        SHALOM[::-1],
        MUHAMMAD[::-1],
    ):
        assert word in text, word
    assert len(read.pages) >= 4
    pictures = [value for value in read.objects.values() if b"/DCTDecode" in value]
    assert len(pictures) == 3, "a picture that is shown twice is there once"


def test_pdf_when_written_twice_then_has_the_same_bytes_and_the_time_it_was_told() -> None:
    first = printed(*WHOLE)
    assert first == printed(*WHOLE)
    assert b"/CreationDate (D:20261126234500Z)" in first
    assert b"/Producer" not in first


def test_font_when_embedded_then_has_the_outlines_that_were_used_and_no_others() -> None:
    font = font_file("sans")
    used = {glyph.number for glyph in shaped("sans", "é", False).glyphs}
    made = subset(font, used)
    assert len(made) < len(font.content) / 4
    assert made == subset(font, used)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"GIF89a" * 9, b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\0" * 40])
def test_picture_when_no_jpeg_then_is_refused(content: bytes) -> None:
    with pytest.raises(NotAJpeg):
        jpeg_size(content)


@given(st.binary(max_size=300))
@settings(max_examples=examples(60))
def test_picture_when_of_any_bytes_then_is_measured_or_refused(content: bytes) -> None:
    try:
        width, height, channels = jpeg_size(b"\xff\xd8" + content)
    except NotAJpeg:
        return
    assert width > 0
    assert height > 0
    assert channels in (1, 3)


# --- HTML -------------------------------------------------------------------------------------------------------------


def test_page_when_words_are_hostile_then_they_are_words() -> None:
    hostile = '<script>alert(1)</script>" onload="x" & \x00\u202e'
    page = page_of(
        Cover(hostile, hostile, [(hostile, quote(hostile))], hostile),
        Heading(1, hostile, 's-"><b>'),
        Words(hostile, "quote"),
        Words(hostile, "code"),
        Table([hostile], [100], [[quote(hostile)]]),
        Pictures([Picture(picture().jpeg, "x", 60, 40, hostile)]),
    )
    assert "<script" not in page
    assert 'onload="' not in page
    assert "<b>" not in page
    assert "\x00" not in page


def test_page_when_opened_then_may_load_nothing_and_names_its_language() -> None:
    page = page_of(*WHOLE)
    assert '<html lang="en">' in page
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in page
    assert "http:" not in page
    assert "https:" not in page
    assert f'<blockquote dir="auto">{MUHAMMAD} نور</blockquote>' in page
