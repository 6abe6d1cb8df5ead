from dnsctl.publish.settings_changes import settings_changes
from dnsctl.release.settings import FleetSettings

BEFORE: FleetSettings = {
    "format": 1,
    "sites": {"dc1": {"nodes": {"ns.1": {"listen": ["192.0.2.1:53"], "control": "https://192.0.2.1:8853"}}}},
    "serve": {"cookies": False},
}


def test_each_setting_that_differs_is_named_with_its_meaning() -> None:
    node: FleetSettings = {
        "listen": ["192.0.2.1:53", "192.0.2.2:53"],
        "control": "https://192.0.2.1:8853",
        "workers": 2,
    }
    after: FleetSettings = {
        **BEFORE,
        "sites": {"dc1": {"nodes": {"ns.1": node}}},
        "serve": {"rate-limit": {}},
    }
    assert [(each.setting, each.before, each.after) for each in settings_changes(BEFORE, after)] == [
        ("serve.cookies", False, None),
        ("serve.rate-limit", None, {}),
        ("sites.dc1.nodes.ns.1.listen", ["192.0.2.1:53"], ["192.0.2.1:53", "192.0.2.2:53"]),
        ("sites.dc1.nodes.ns.1.workers", None, 2),
    ]
    assert all(each.meaning for each in settings_changes(BEFORE, after))


def test_nothing_differs_from_what_is_not_known() -> None:
    assert settings_changes(None, BEFORE) == settings_changes(BEFORE, BEFORE) == ()
