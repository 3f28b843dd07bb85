"""Settings in YAML, as sites: what LightningCLI and Hydra build is judged like what Python builds.

``tree`` reads one file, ``files`` finds those that matter, ``hydra`` composes them as Hydra does,
``sites`` says what they build.
"""
