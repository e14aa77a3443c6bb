"""Benchmarks: what a network, the data pipeline and an evaluation cost on this machine, side by side.

``make bench``, or ``python -m tests.benchmarks --help`` in the repository's root. Never run by pytest.
"""
