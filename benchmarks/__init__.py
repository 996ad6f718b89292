"""How fast it is, beside what else could be done with the same frames: ``python -m benchmarks``.

Every figure is a ratio against something else in the same run, because machines differ and
are noisy. No test of the project measures time; this does nothing else.
"""
