"""Searching runs: which ones there are, how one of them is made, and how the smallest is found.

``space`` draws runs with hypothesis, ``making`` makes one from an untouched copy of the module and
says what it logged, ``seeking`` looks for those in which a key lies and shrinks them.
"""
