"""Tables as HTML, Markdown and LaTeX, and the files they are written to."""

import math
import re

import pandas as pd
from fabricated import gaps, rows

from hdsr.report import psnr_tables, tables


def test_columns_of_words_of_long_ones_and_those_that_a_phone_lacks_room_for_are_marked() -> None:
    printed = pd.DataFrame(
        {
            "word": ["a"],
            "number": ["-0.1/+2"],
            "small": ["1.8e-02"],
            "sentence": ["word " * 9],
            "count": ["3 of 9 images"],
        }
    )
    kinds = [tables.column_kind(name, printed[name]) for name in printed]
    assert kinds == ["words", "", "", "long", ""]
    assert tables.column_kind("×2 paper", pd.Series(["1/2"])) == "aside"
    assert tables.column_kind("verdict", pd.Series(["explained"])) == "words verdict"


def test_html_marks_not_by_color_alone_breaks_after_slashes_and_escapes_what_it_is_given() -> None:
    assert tables.colored("**1**/*2*") == '<b class="best">1</b>/<wbr><em class="second">2</em>'
    assert tables.colored("37.95/0.9604") == "37.95/<wbr>0.9604"
    table = psnr_tables.comparison(rows({("<b>", "none"): 30.0}, "samples"), "samples", gaps())
    assert "&lt;b&gt;" in table._repr_html_()
    assert 'id="T_table_samples"' in table._repr_html_()


def test_heads_say_what_they_head_and_the_full_table_is_folded_beneath_what_was_measured() -> None:
    table = psnr_tables.comparison(rows({("bicubic", "none"): 36.0}), "Set5", gaps())
    page = table._repr_html_()
    assert page.index('id="T_table_II_Set5_brief"') < page.index("<details") < page.index('"T_table_II_Set5"')
    assert page.count('<th scope="row"') == len(table.brief) + len(table.printed)
    assert '<th scope="colgroup" colspan="3"' in page
    assert re.search(r"<th scope=\"(?!row|col|colgroup)", page) is None
    assert "<!-- files of table_II_Set5 -->" in page
    # a footnote is where its mark is
    assert page.index("<details") < page.index("no implementation here") < page.index("</details>")
    assert page.index("</details>") < page.index("Bold red")


def test_a_long_table_says_what_it_is_before_it_is_opened() -> None:
    lines = pd.DataFrame({"number": [str(number) for number in range(tables.MANY_LINES + 1)]})
    page = tables.Table("numbers", "Numbers", lines, lines, ("of `hdsr bench`",))._repr_html_()
    assert "<summary>Numbers: all 31 lines</summary>" in page
    assert "<small>of <code>hdsr bench</code></small>" in page


def test_reasons_are_footnotes() -> None:
    table = psnr_tables.comparison(rows({("bicubic", "none"): 36.0}), "Set5", gaps())
    number = table.printed.set_index([("", "method")]).loc["DRRN", ("", "note")]
    assert number in tables.SUPERSCRIPTS
    assert f"{number} not measured: no implementation here" in table.notes


def test_latex_holds_the_same_cells_with_its_own_signs_written_out() -> None:
    table = psnr_tables.comparison(rows({("bicubic", "none"): 36.0, ("a_b", "50%@1"): 39.0}), "Set5", gaps())
    latex = table.latex()
    assert r"\textcolor[HTML]{c00000}{\textbf{37.95}}/\textcolor[HTML]{c00000}{\textbf{0.9604}}" in latex
    assert r"a\_b & 50\%@1 & -- & 37.00/0.7600" in latex
    assert r"\multicolumn{4}{c}{$\times$2}" in latex
    assert latex.count("{") == latex.count("}")
    body = latex[latex.index(r"\midrule") : latex.index(r"\bottomrule")].splitlines()[1:]
    assert {line.count(" & ") for line in body} == {table.printed.shape[1] - 1}
    assert len(body) == len(table.printed)


def test_latex_writes_out_every_sign_that_it_would_take_as_a_command() -> None:
    assert tables.latex_text(r"50% & $1 #2 _x^y {~} \n ×†–") == (
        r"50\% \& \$1 \#2 \_x\textasciicircum{}y \{\textasciitilde{}\} \textbackslash{}n $\times$$^\dagger$--"
    )


def test_two_that_share_the_best_leave_the_second_to_the_next() -> None:
    scores = pd.DataFrame({"psnr_db": [3, 3, 2, 1], "ssim": [0.1, 0.3, 0.3, 0.2]})
    assert tables.pairs(scores, "psnr_db", "ssim", marked=True).tolist() == [
        "**3.00**/0.1000",
        "**3.00**/**0.3000**",
        "*2.00*/**0.3000**",
        "1.00/*0.2000*",
    ]


def test_cells_of_markdown_hold_no_bar() -> None:
    printed = pd.DataFrame({"a": ["x|y"]})
    assert tables.markdown(printed) == "| a |\n| --- |\n| x/y |"


def test_absent_numbers_are_dashes_be_they_all() -> None:
    assert tables.texts(pd.Series([1.5, math.nan]), "{:.2f}").tolist() == ["1.50", "–"]
    assert tables.texts(pd.Series([math.nan, math.nan]), "{:.2f}").tolist() == ["–", "–"]
