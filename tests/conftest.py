"""Settings every test runs under: one hypothesis profile for CI, bounded and without deadlines."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "dnsctl", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("dnsctl")
