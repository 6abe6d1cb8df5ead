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


def test_default_that_a_setting_leaves_or_goes_back_to_is_told() -> None:
    limited: FleetSettings = {**BEFORE, "serve": {"rate-limit": {"rate": 5000}}}
    slower: FleetSettings = {**BEFORE, "serve": {"rate-limit": {"slip": 2}}}
    cookies, limit = settings_changes(BEFORE, limited)
    assert (cookies.after, cookies.default) == (None, True)
    assert (limit.setting, limit.before, limit.after) == ("serve.rate-limit", None, {"rate": 5000})
    assert [(each.setting, each.default) for each in settings_changes(limited, slower)] == [
        ("serve.rate-limit.rate", 200),
        ("serve.rate-limit.slip", 1),
    ]


def test_node_and_key_come_and_go_as_a_whole() -> None:
    key: FleetSettings = {**BEFORE, "transfers": {"keys": {"xfr.example.net": {}}}}
    [new], [gone] = settings_changes(BEFORE, key), settings_changes(key, BEFORE)
    assert (new.thing, new.before, new.after) == ("TSIG key xfr.example.net", None, {})
    assert (gone.thing, gone.before, gone.after) == ("TSIG key xfr.example.net", {}, None)
    node: FleetSettings = {"listen": ["192.0.2.9:53"], "control": "https://192.0.2.9:8853"}
    sites: FleetSettings = {**BEFORE["sites"], "dc2": {"nodes": {"ns9": node}}}  # type: ignore[dict-item]
    [added] = settings_changes(BEFORE, {**BEFORE, "sites": sites})
    assert (added.setting, added.thing, added.after) == ("sites.dc2.nodes.ns9", "node ns9", node)


def test_settings_of_another_version_are_compared_without_their_defaults() -> None:
    [change] = settings_changes({**BEFORE, "format": 2}, {"format": 2, "sites": BEFORE["sites"]})
    assert (change.setting, change.after, change.default) == ("serve.cookies", None, None)


def test_nothing_differs_from_what_is_not_known() -> None:
    assert settings_changes(None, BEFORE) == settings_changes(BEFORE, BEFORE) == ()
