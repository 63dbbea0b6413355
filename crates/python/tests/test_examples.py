"""The examples on a real file: their loss goes down."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
FIXTURES = os.environ.get("ANNDEX_FIXTURES")

pytestmark = pytest.mark.skipif(
    FIXTURES is None and "CI" not in os.environ, reason="ANNDEX_FIXTURES is not set"
)


def run(name: str, *arguments: str | Path) -> str:
    command = [sys.executable, EXAMPLES / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def losses(output: str, epochs: int) -> list[float]:
    found = re.findall(r"^epoch (\d+): loss (\d+\.\d+)", output, flags=re.MULTILINE)
    assert [int(epoch) for epoch, _ in found] == list(range(1, epochs + 1)), output
    return [float(loss) for _, loss in found]


@pytest.fixture
def cells() -> Path:
    assert FIXTURES is not None, "ANNDEX_FIXTURES is not set"
    return Path(FIXTURES) / "10x_pbmc68k_reduced.h5ad"


def test_the_classifier_learns(cells: Path) -> None:
    output = run("train_classifier.py", cells, "--label", "bulk_labels", "--epochs", "4")
    found = losses(output, 4)
    assert found == sorted(found, reverse=True) and found[-1] < 0.6 * found[0], output


def test_scvi_learns(cells: Path, tmp_path: Path) -> None:
    found = losses(run("train_scvi.py", cells, "--directory", tmp_path, "--epochs", "4"), 4)
    assert found == sorted(found, reverse=True) and found[-1] < 0.9 * found[0], found


@pytest.mark.parametrize("name", ["train_classifier.py", "train_scvi.py"])
def test_help(name: str) -> None:
    assert "--epochs" in run(name, "--help")
