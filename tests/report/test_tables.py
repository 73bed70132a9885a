"""Tables as HTML, Markdown and LaTeX, and the files they are written to."""

import pandas as pd
from fabricated import gaps, rows

from hdsr.report import psnr_tables, tables


def test_text_stands_left_and_is_wrapped_where_it_is_long() -> None:
    printed = pd.DataFrame(
        {"word": ["a"], "number": ["-0.1/+2"], "sentence": ["word " * 9], "count": ["3 of 9 images"]}
    )
    styles = {style["selector"].split(":")[0]: style["props"] for style in tables.column_styles(printed)}
    assert list(styles) == ["th.col0", "th.col2"]
    assert "normal" not in styles["th.col0"]
    assert "normal" in styles["th.col2"]


def test_html_marks_in_red_and_blue_and_escapes_what_it_is_given() -> None:
    assert (
        tables.colored("**1**/*2*")
        == '<span style="color:#c00000">1</span>/<span style="color:#0050c8">2</span>'
    )
    table = psnr_tables.comparison(rows({("<b>", "none"): 30.0}, "samples"), "samples", gaps())
    assert "&lt;b&gt;" in table._repr_html_()
    assert 'id="T_table_samples"' in table._repr_html_()


def test_latex_holds_the_same_cells_with_its_own_signs_written_out() -> None:
    table = psnr_tables.comparison(rows({("bicubic", "none"): 36.0, ("a_b", "50%@1"): 39.0}), "Set5", gaps())
    latex = table.latex()
    assert r"HDSRNet &  & \textcolor[HTML]{c00000}{37.95}/\textcolor[HTML]{c00000}{0.9604}" in latex
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
