"""The examples in the READMEs and CONTRIBUTING: blocks marked ``bash`` run as written, all others parse."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unet_course import cli, course, protocol

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "outputs/README.md")
PARSERS = {
    "unet-course": cli.build_parser,
    "python -m unet_course.cli": cli.build_parser,
    "python -m unet_course.course": course.build_parser,
    "python -m unet_course.protocol": protocol.build_parser,
}


def blocks(document: str, language: str = r"\w*") -> list[str]:
    """The fenced blocks of a document, and with no language given also what stands in `backticks`."""
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[str]:
    """The calls of a program, without what follows ``#``, ``&&`` or ``>``, in all documents."""
    found = []
    for document in DOCUMENTS:
        text = (ROOT / document).read_text("utf-8")
        whole = [re.sub(r"\\\n\s*", "", block) for block in blocks(document)]  # long lines go on
        lines = [line for block in whole for line in block.splitlines()]
        lines += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        for line in lines:
            line = re.split(r"\s+(?:#|&&|>)", line.strip())[0]
            match = re.search(rf"(?:^|[\s/\\]){re.escape(program)}\s+(\S.*)$", line)
            found += [match[1]] if match else []
    return sorted(set(found))


@pytest.mark.parametrize("program", PARSERS)
def test_every_command_in_the_documents_parses(program: str) -> None:
    parser = PARSERS[program]()
    for arguments in commands(program):
        if "…" not in arguments and not arguments.isidentifier():  # a sketch; a command's bare name
            try:
                parser.parse_args(shlex.split(arguments))
            except SystemExit as error:  # --help ends well, a wrong option does not
                assert error.code == 0, f"{program} {arguments}"


def test_commands_are_found_where_they_stand() -> None:
    assert any(c.startswith("train --data") for c in commands("unet-course"))
    assert "run" in commands("python -m unet_course.course")
    assert {"course", "test"} <= set(commands("make"))


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_every_make_command_in_the_documents_exists() -> None:
    for arguments in commands("make"):
        dry = ["make", "-n", *shlex.split(arguments)]
        run = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True)
        assert run.returncode == 0, f"make {arguments}: {run.stderr}"


@pytest.mark.skipif(
    os.name == "nt", reason="these blocks are for bash; README has others for Windows"
)
@pytest.mark.parametrize("number, block", [*enumerate(blocks("README.md", "bash"), start=1)])
def test_examples_run_as_written(number: int, block: str, tmp_path: Path) -> None:
    """In a folder that looks like a clone after `make course`, so that results stay out of this one."""
    for name in ("notebooks", "data", "outputs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    script = f"set -euo pipefail\n{block}"
    run = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, f"{block}\n{run.stdout}\n{run.stderr}"
    assert "Traceback" not in run.stderr


def test_there_are_examples_to_run() -> None:
    assert len(blocks("README.md", "bash")) >= 3
