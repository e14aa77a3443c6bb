"""What the course needs: declared once, with a reason, pinned, and the same for pip and conda."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import rattler
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def declared() -> list[Requirement]:
    """Every requirement of the package and of its extras, but the extras themselves."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    requirements = [Requirement(text) for group in groups for text in group]
    return [r for r in requirements if r.name != PROJECT["name"]]


def pins() -> dict[str, list[str]]:
    """The pinned versions by name; some have one for each Python."""
    found: dict[str, list[str]] = {}
    for line in CONSTRAINTS.splitlines():
        name, _, version = line.partition(" ")[0].partition("==")
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


def undeclared(root: Path) -> str:
    """What deptry has to say of package and notebooks below ``root``; empty when all is well."""
    command = [sys.executable, "-m", "deptry", "--no-ansi", "unet_course", "notebooks"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True)
    return run.stderr if run.returncode else ""


def test_package_and_notebooks_import_what_is_declared_and_nothing_else() -> None:
    assert undeclared(ROOT) == ""


@pytest.mark.parametrize("place", ["unet_course/data.py", "unet_course/figures/style.py"])
def test_an_undeclared_import_is_found(place: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "notebooks").mkdir()
    shutil.copytree(ROOT / "unet_course", tmp_path / "unet_course")
    with (tmp_path / place).open("a", encoding="utf-8") as file:
        file.write("import networkx\n")  # there, since torch needs it, but not ours to use
    assert f"{Path(place)}" in undeclared(tmp_path) and "networkx" in undeclared(tmp_path)


def test_every_dependency_says_what_it_is_for() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    section = text[text.index("[project]") : text.index("[project.scripts]")]
    reasons = dict(re.findall(r'^    "([^"]+)",(?: # (\w.+))?$', section, flags=re.MULTILINE))
    silent = [str(r) for r in declared() if not reasons.get(str(r))]
    assert silent == []


def test_every_dependency_is_pinned_to_versions_that_it_allows() -> None:
    wrong = {}
    for requirement in declared():
        versions = pins().get(canonicalize_name(requirement.name), [])
        if not versions or not all(map(requirement.specifier.contains, versions)):
            wrong[str(requirement)] = versions
    assert not wrong, f"run `make pins`: {wrong}"


def test_pins_are_exact_and_name_no_address() -> None:
    assert "://" not in CONSTRAINTS and "--" not in CONSTRAINTS
    for line in CONSTRAINTS.splitlines():
        assert re.match(r"[\w.-]+==[\w.+-]+( ; .+)?$", line), line


def test_conda_reads_the_environment_and_gets_no_version_but_pythons() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    assert set(environment) == {"name", "channels", "dependencies"}
    assert environment["channels"] == ["conda-forge"]
    *conda, last = environment["dependencies"]
    specs = [rattler.MatchSpec(text) for text in conda]  # raises for what conda would not read
    versions = {spec.name.normalized: spec.version for spec in specs}
    assert versions == {"python": PROJECT["requires-python"], "pip": None}
    assert last == {"pip": ["-e .[lab,test]"]}
    assert {"lab", "test"} <= set(PROJECT["optional-dependencies"])


def test_the_makefile_takes_the_pythons_of_the_package() -> None:
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (ROOT / "Makefile").read_text("utf-8")
