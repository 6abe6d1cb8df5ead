"""Files of octoDNS, read by octoDNS itself and by dnsctl: the same RRsets, TTLs included.

`DNSCTL_OCTODNS_EXAMPLES=2000` draws that many zones in place of a few.
"""

import os
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from dnsctl.model.finding import Severity
from tests.load.octodns_drawn import DIRECTORY, Drawn, drawn_zones
from tests.load.octodns_judge import by_dnsctl, by_octodns, write

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
EXAMPLES = int(os.environ.get("DNSCTL_OCTODNS_EXAMPLES", "15"))


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=PHASES,
    derandomize=EXAMPLES <= 15,
    suppress_health_check=list(HealthCheck),
)
@given(drawn_zones())
def test_drawn_zone_is_what_octodns_reads(drawn: Drawn) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write(root, drawn.files)
        ours, loaded = by_dnsctl(root, DIRECTORY, drawn.ttl)
        assert [each for each in loaded.findings if each.severity is Severity.ERROR] == []
        assert ours == by_octodns(root, DIRECTORY, drawn.zone, drawn.ttl)
