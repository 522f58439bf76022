"""Names of everything this package emits.

`specs` is written by hand; `attributes`, `metrics`, `spans` and `catalog` are generated from `registry/*.yaml`
by `make gen`. Code names a signal by its constant here, never by a string of its own.
"""
