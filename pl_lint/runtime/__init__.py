"""Running people's modules: what to run, where, in processes of its own, and what was seen.

``cases`` and ``specs`` say what to run, ``worlds`` where, ``battery`` which runs a check may ask
for. ``isolation`` runs them; in the child ``programs`` are what is done with a module, on ``data``
that the kit has cut, while ``watching`` records it.
"""
