"""The local Kubernetes of a checkout: Docker where it is missing, kind, a registry, and the images.

Standard library only, so that it runs before any virtual environment exists: `python3 -m dev.cluster up`.
What is costly is kept once per machine (`host.paths.MACHINE`), named by a hash of what it was made from. What is cheap
is kept per checkout (`host.paths.STATE`). Anything may have been killed half-way: every step looks at what is there
first. Rooms import one way: `lifecycle` -> `network` -> `images` -> `host`.
"""
