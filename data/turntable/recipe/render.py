"""Render the turntable dataset: one command, from a seed, resuming where it stopped.

    python data/turntable/recipe/render.py                           # the whole edition
    python data/turntable/recipe/render.py --car car07 --views 1,5 --output trial
    python data/turntable/recipe/render.py --contact-sheet sheet.jpg # from finished images

The first call makes an environment of its own beside this file (Blender as a Python module needs
Python 3.11); the course itself never needs it.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
VENV_PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def find_python() -> list[str]:
    """A command that starts Python 3.11, or a one-line error."""
    candidates = [[sys.executable], [shutil.which("python3.11") or ""], ["py", "-3.11"]]
    for command in candidates:
        if not command[0] or not shutil.which(command[0]):
            continue
        check = "import sys; sys.exit(sys.version_info[:2] != (3, 11))"
        if subprocess.run([*command, "-c", check], capture_output=True).returncode == 0:
            return command
    sys.exit("error: no Python 3.11 found, and Blender's module (bpy 5.0.1) runs on no other version; "
             "install Python 3.11 so that `python3.11` starts it")  # fmt: skip


def ensure_environment() -> None:
    """Make the recipe's own environment once."""
    ready = VENV / "ready"
    wanted = (HERE / "requirements.txt").read_text()
    if ready.exists() and ready.read_text() == wanted:
        return
    print(f"making {VENV} (once; about 1 GB on disk)", flush=True)
    subprocess.run([*find_python(), "-m", "venv", str(VENV)], check=True)
    subprocess.run([str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "-q",
                    "-r", str(HERE / "requirements.txt")], check=True)  # fmt: skip
    ready.write_text(wanted)


def size(text: str) -> tuple[int, int]:
    """Width and height of text such as 480x320."""
    width, height = map(int, text.split("x"))
    return width, height


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--car", action="append", help="only this car (may be repeated)")
    parser.add_argument("--views", help="only these views, such as 1,5 (default: all 16)")
    parser.add_argument("--samples", type=int, default=8, help="samples per pixel (default: 8)")
    parser.add_argument("--size", type=size, default=(480, 320), help="WIDTHxHEIGHT (480x320)")
    parser.add_argument("--output", type=Path, default=HERE.parent,
                        help="default: data/turntable")  # fmt: skip
    parser.add_argument("--seed", type=int, default=None, help="default: the edition's own")
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 8),
                        help="processes of one thread each (default: one per core, at most 8)")  # fmt: skip
    parser.add_argument("--contact-sheet", type=Path, metavar="FILE",
                        help="render nothing; draw all finished images on one sheet")  # fmt: skip
    parser.add_argument("--worker", type=int, default=None, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def files_of(folder: Path, car: str, view: int) -> tuple[Path, Path, Path]:
    """The three files of one view: photo, mask, parts."""
    name = f"{car}_{view:02d}"
    return (
        folder / "train" / f"{name}.jpg",
        folder / "train_masks" / f"{name}_mask.gif",
        folder / "train_parts" / f"{name}_parts.png",
    )


def is_there(files: tuple[Path, ...]) -> bool:
    """Whether all files of a view are finished."""
    return all(file.exists() for file in files)


def write_checksums(folder: Path) -> None:
    """Write `checksums.sha256` of all images and masks, as `sha256sum --check` reads it."""
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder).as_posix()}"
        for kind in ("train/*.jpg", "train_masks/*.gif", "train_parts/*.png")
        for file in sorted(folder.glob(kind))
    ]
    partial = folder / "checksums.sha256.partial"
    partial.write_text("\n".join(lines) + "\n")
    partial.replace(folder / "checksums.sha256")


def check_folder(folder: Path, cars: list, wanted_size: tuple[int, int]) -> None:
    """Refuse to go on in a folder whose photos were rendered with another size or seed."""
    from PIL import Image

    table = folder / "metadata.csv"
    if table.exists():
        with table.open(newline="") as file:
            known = {row["car"]: row["seed"] for row in csv.DictReader(file)}
        wanted = {car.name: str(car.studio["seed"]) for car in cars}
        if any(known.get(name, seed) != seed for name, seed in wanted.items()):
            sys.exit(f"error: {folder} holds photos of another --seed; name another --output")
    photo = next(folder.glob("train/*.jpg"), None)
    if photo is not None:
        with Image.open(photo) as image:
            if image.size != wanted_size:
                sys.exit(f"error: {folder} holds photos of {image.width}x{image.height}; "
                         "name another --output, or that --size")  # fmt: skip


def render_share(options: argparse.Namespace, cars: list, views: list[int]) -> None:
    """What one worker does: every n-th car, all its missing views."""
    import studio

    for car in cars[options.worker :: options.workers]:
        missing = [v for v in views if not is_there(files_of(options.output, car.name, v))]
        if missing:
            stage = studio.Set(car, size=options.size, samples=options.samples, threads=1)
            for view in missing:
                stage.shoot(view, files_of(options.output, car.name, view))


def watch(
    options: argparse.Namespace, wanted: list[tuple[Path, ...]], arguments: list[str]
) -> None:
    """Start the workers and show progress until they are done."""

    def finished() -> int:
        return sum(is_there(files) for files in wanted)

    first, start, shown = finished(), time.monotonic(), -1
    print(f"{first} of {len(wanted)} views are there already", flush=True)
    with tempfile.TemporaryFile("w+") as log:
        workers = [
            subprocess.Popen([sys.executable, __file__, *arguments, "--worker", str(index),
                              "--workers", str(options.workers)], stdout=log, stderr=log)
            for index in range(options.workers)
        ]  # fmt: skip
        try:
            while any(worker.poll() is None for worker in workers):
                time.sleep(1)
                done = finished()
                if done != shown and done > first:
                    each = (time.monotonic() - start) / (done - first)
                    left = each * (len(wanted) - done) / 60
                    print(f"{done}/{len(wanted)} views, {each:.1f} s each, {left:.0f} min left",
                          flush=True)  # fmt: skip
                    shown = done
        except KeyboardInterrupt:
            for worker in workers:
                worker.terminate()
            sys.exit("stopped; the same command goes on from here")
        if any(worker.returncode for worker in workers):
            log.seek(0)
            sys.exit("error: a worker failed:\n" + "".join(log.readlines()[-20:]))
    write_checksums(options.output)
    print(f"done: {finished()} views in {options.output}")


def main(arguments: list[str]) -> None:
    """Parse, then prepare, render or draw the sheet."""
    options = parse(arguments)
    if Path(sys.prefix).resolve() != VENV.resolve():
        ensure_environment()
        try:
            sys.exit(subprocess.run([str(VENV_PYTHON), __file__, *arguments]).returncode)
        except KeyboardInterrupt:
            sys.exit(130)
    import fleet

    seed = fleet.EDITION_SEED if options.seed is None else options.seed
    cars = fleet.fleet(seed)
    if options.car:
        unknown = sorted(set(options.car) - {car.name for car in cars})
        if unknown:
            sys.exit(
                f"error: no car {', '.join(unknown)}: there are {cars[0].name} to {cars[-1].name}"
            )
        cars = [car for car in cars if car.name in options.car]
    views = list(range(1, fleet.VIEWS + 1))
    if options.views:
        views = [int(view) for view in options.views.split(",")]
        if not set(views) <= set(range(1, fleet.VIEWS + 1)):
            sys.exit(f"error: --views {options.views}: views are 1 to {fleet.VIEWS}")
    if options.contact_sheet:
        import sheet

        sheet.draw(options.output, [car.name for car in cars], views, options.contact_sheet)
    elif options.worker is not None:
        render_share(options, cars, views)
    else:
        check_folder(options.output, cars, options.size)
        if not options.car or not (options.output / "split.csv").exists():
            fleet.write_tables(options.output, cars)
        wanted = [files_of(options.output, car.name, view) for car in cars for view in views]
        options.workers = max(1, min(options.workers, len(cars)))
        watch(options, wanted, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
