"""Scripts that show a mistake with nothing but Lightning: what those of several checks share.

What a check's own scripts show stands beside it, in its ``script.py``.
"""
