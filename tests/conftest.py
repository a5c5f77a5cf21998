"""What every test gets: a fixed hypothesis profile, so that a slow shared machine is not taken for a slow property."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# No deadline: the machine's load is not the property's fault. `HYPOTHESIS_PROFILE=thorough` looks ten times longer.
_SLOW_MACHINE = [HealthCheck.too_slow]
settings.register_profile("default", deadline=None, suppress_health_check=_SLOW_MACHINE, print_blob=True)
settings.register_profile("thorough", deadline=None, suppress_health_check=_SLOW_MACHINE, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
