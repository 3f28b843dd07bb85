"""One run is one process group with a time limit: asked for, watched, judged, and cleared away.

``runs`` is the door: a specification in, an outcome out, memoised. ``client`` and ``supervise`` are
pytest's side; ``server``, ``template`` and ``process`` are the other one; ``wire`` is what they say
to each other, ``outcome`` how a run ended in words, ``reaper`` what ends processes.
"""
