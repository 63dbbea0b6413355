"""Lineage as people look at it: a picture, a tree of text, a file."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from registry_files import text

import anndex as ln

HOSTILE = "<script>&\"']]>\x1b[2J\n日本 \\N"


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path) -> list[ln.Artifact]:
    """A raw file, what a run made of it, and what another run made of that."""
    ln.init(storage=tmp_path / "storage")
    made = [ln.Artifact(text(tmp_path / "raw.csv", "raw")).save()]
    for name in ("clean", "model"):
        ln.track(ln.Transform(name=f"{name}.py", type="script").save())
        ln.Collection([made[-1]], name=f"inputs of {name}").save()
        made.append(ln.Artifact(text(tmp_path / f"{name}.csv", name)).save())
        ln.finish()
    return made


def test_a_graph_is_shown_and_saved(artifacts: list[ln.Artifact], tmp_path: Path) -> None:
    raw, clean, model = artifacts
    graph = clean.view_lineage()
    assert [node.title for node in graph.nodes][0] == "clean.csv"
    assert {node.title for node in graph.nodes} == {
        "raw.csv",
        "clean.csv",
        "model.csv",
        "clean.py",
        "model.py",
        "inputs of clean",
        "inputs of model",
    }
    assert len(graph.edges) == 6
    assert repr(graph) == graph.to_text().rstrip("\n") and "made by\n└─ run" in repr(graph)
    picture = ET.fromstring(graph._repr_svg_())
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    graph.save(tmp_path / "a.svg")
    graph.save(str(tmp_path / "a.dot"))
    assert (tmp_path / "a.svg").read_text() == graph.to_svg() == clean.view_lineage().to_svg()
    assert (tmp_path / "a.dot").read_text() == graph.to_dot()
    with pytest.raises(NotImplementedError, match="svg"):
        graph.save(tmp_path / "a.png")
    with pytest.raises(OSError, match="missing"):
        graph.save(tmp_path / "missing" / "a.svg")

    back = clean.view_lineage(with_children=False)
    assert {node.uid for node in back.nodes if node.kind == "artifact"} == {raw.uid, clean.uid}
    short = model.view_lineage(limit=1)
    assert short.nodes[0].more_before == 1 and short.edges == []
    for limit in (0, 5_000, -1, 1.5):
        with pytest.raises(ValueError, match=r"1 to 2000|integer"):
            model.view_lineage(limit=limit)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="save"):
        ln.Collection([raw], name="C").view_lineage()


def test_names_are_no_markup(tmp_path: Path) -> None:
    artifact = ln.Artifact(text(tmp_path / "a.csv", "a")).save()
    ln.track(ln.Transform(name=HOSTILE).save())
    collection = ln.Collection([artifact], name=HOSTILE).save()
    ln.finish()
    svg = collection.view_lineage().to_svg()
    texts = [element.text for element in ET.fromstring(svg).iter() if element.text]
    shown = HOSTILE.replace("\x1b", "\ufffd").replace("\n", "\ufffd")
    assert shown in texts and not any("script" in tag.tag for tag in ET.fromstring(svg).iter())
