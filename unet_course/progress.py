"""One progress bar for terminals and notebooks, silent where output is kept."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

LOG_VARIABLE = "UNET_COURSE_PROGRESS"


def progress(iterable: Iterable[Any] | None = None, **options: Any) -> tqdm:
    """A tqdm progress bar; ``options`` are tqdm's (``desc``, ``total``, ``unit``, ``disable``, …).

    Where the environment variable ``UNET_COURSE_PROGRESS`` names a file, as when ``make course``
    runs the notebooks, the bar is written there and leaves no trace in the notebook.
    """
    log = os.environ.get(LOG_VARIABLE)
    if not log:
        return tqdm(iterable, **options)
    from tqdm import tqdm as text_bar

    return text_bar(iterable, file=Path(log).open("a", encoding="utf-8"), ncols=100, **options)
