"""Helper package of the U-Net course: what the notebooks build by hand, ready to import."""

__version__ = "0.1.0"
