"""Staging, proof and activation of releases over the nodes of all sites."""

import sys

# httpx imports a command line of its own, and all that draws it, where it finds them; None: it finds none
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
