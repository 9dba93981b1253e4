"""The picture of a trace in a document: well-formed, readable in light and dark, and of both systems."""

import re
from pathlib import Path
from xml.etree import ElementTree

from failure_modes.checker.report.pages.picture import pictures_of
from tests.checker.commands import ROOT

TRACE = "failure_modes/FM_001_duplicate_retry/traces/both_commit_after_the_lease_ran_out.json"
SVG = "{http://www.w3.org/2000/svg}"


def _picture() -> str:
    (text,) = pictures_of(ROOT / "README.md").values()
    return text


def test_the_readme_has_one_picture_of_a_kept_trace() -> None:
    """It is in the folder of the documents, and `docs` writes it anew."""
    assert list(pictures_of(ROOT / "README.md")) == [ROOT / "docs" / "fm_001.svg"]
    assert f"<!-- picture of: {TRACE} -->" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_picture_has_each_step_of_both_systems() -> None:
    """The broken system breaks at its last step; the guarded one refuses that step."""
    root = ElementTree.fromstring(_picture())
    texts = [" ".join("".join(one.itertext()).split()) for one in root.iter(f"{SVG}text")]
    assert texts.count("A lease exec-1") == 2
    assert "Broken breaks INV_001 at step 8" in texts
    assert "Guarded holds" in texts
    assert "A commit exec-1" in texts
    assert "A refused (job-1 has committed)" in texts
    assert texts.count("violation") == texts.count("diverges") == 1
    shown = [one for one in texts if re.match(r"\d+(0|30) s$", one)]
    assert len(shown) == 16


def test_the_picture_loads_nothing_and_has_two_sets_of_colours() -> None:
    """Each colour of the light set has one in the dark set, and every link stays in the file."""
    text = _picture()
    light, dark = re.findall(r":root \{(.*?)\}", text)
    assert re.findall(r"--[\w-]+", light) == re.findall(r"--[\w-]+", dark)
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"--[\w-]+", light))
    assert [one for one in re.findall(r'href="([^"]*)"', text) if not one.startswith("#")] == []
    assert "<script" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_no_part_of_a_picture_is_outside_of_it(tmp_path: Path) -> None:
    """Each rectangle is within its card, and each card within the picture. A document may have none."""
    root = ElementTree.fromstring(_picture())
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for group in root.findall(f"{SVG}g")[:2]:
        card = next(one for one in group if one.get("class") == "card")
        for one in group.iter(f"{SVG}rect"):
            across, down = float(one.get("x", 0)), float(one.get("y", 0))
            assert across + float(one.get("width", 0)) <= float(card.get("width", 0)) + 1
            assert down + float(one.get("height", 0)) <= float(card.get("height", 0)) + 1
        at = re.match(r"translate\((\d+) (\d+)\)", group.get("transform", ""))
        assert at
        assert int(at[1]) + float(card.get("width", 0)) <= width
        assert int(at[2]) + float(card.get("height", 0)) <= height
    (tmp_path / "plain.md").write_text("no picture\n", encoding="utf-8")
    assert pictures_of(tmp_path / "plain.md") == {}
