"""Inventory files: what is folded in, and every mistake at once with its place."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.errors import ConfigFailed, InventoryError, UsageError
from fleet.health.sweeping import load_checks
from fleet.inventory.load import Source, find_sources, load, load_with_origins
from fleet.inventory.model import Inventory
from fleet.inventory.secrets import CredentialRef, Secret, SecretStore
from fleet.inventory.tables import check_names
from tests.inventory_mistakes import ACROSS_TABLES, IN_ONE_TABLE

Write = Callable[[str], Path]

GOOD = """
[defaults]
username = "siteadmin"
password = { env = "FLEET_PASSWORD" }
timeout = "30s"
labels = { owner = "gis" }

[groups.prod]
labels = { tier = "prod", colour = "red" }
timeout = "20s"

[groups.emea]
groups = ["nordics"]
timeout = "5m"

[groups.nordics]
timeout = "10s"
labels = { colour = "blue" }

[sites.oslo]
url = "https://GIS-oslo.example.com/arcgis/"
groups = ["nordics", "prod"]
labels = { role = "hosting" }

[sites.bergen]
url = "https://gis-bergen.example.com/arcgis"
groups = ["prod"]
timeout = "1m30s"
"""


def read(path: Path) -> Inventory:
    return load([Source(path, trusted=True)])


def problems(path: Path) -> list[str]:
    with pytest.raises(InventoryError) as caught:
        load([Source(path, trusted=True)])
    return [str(problem) for problem in caught.value.problems]


def test_values_come_from_site_then_groups_in_order_then_defaults(write_inventory: Write) -> None:
    inventory = load([Source(write_inventory(GOOD), trusted=True)])
    oslo, bergen = inventory["oslo"], inventory["bergen"]
    assert oslo.url == "https://gis-oslo.example.com/arcgis"
    assert oslo.timeout == 300.0, "the nested group nordics yields to emea, which lists it"
    assert oslo.labels == {"role": "hosting", "colour": "blue", "tier": "prod", "owner": "gis"}
    assert oslo.groups == ("nordics", "emea", "prod")
    assert bergen.timeout == 90.0
    assert bergen.username == "siteadmin"


def test_every_mistake_is_told_at_once_with_line_and_nearest_key(write_inventory: Write) -> None:
    path = write_inventory(
        """[defaults]
usernme = "x"
[groups.a]
groups = ["b"]
[groups.b]
groups = ["a"]
[sites.one]
url = "https://one.example.com/arcgis"
groups = ["prodd"]
timeout = 30
[sites.two]
url = "http://two.example.com/arcgis"
[sites.three]
url = "https://one.example.com/arcgis"
password = "hunter22"
[sites.all]
url = "https://all.example.com/arcgis"
"""
    )
    told = problems(path)
    text = "\n".join(told)
    assert f"{path}:2: defaults.usernme: unknown key (did you mean username?)" in told
    assert "circle" in text
    assert f"{path}:9: sites.one.groups: unknown group 'prodd'" in text
    assert f"{path}:10: sites.one.timeout" in text
    assert f"{path}:14: sites.three.url" in text
    assert f"{path}:15: sites.three.password" in text
    assert f"{path}:16: sites.all" in text
    assert "hunter22" not in text


def test_what_is_wrong_with_groups_hides_nothing_that_is_wrong_with_sites(write_inventory: Write) -> None:
    path = write_inventory(
        """[groups.a]
groups = ["b", "nordcs"]
[groups.b]
groups = ["a"]
[groups.nordics]
[groups.insecure]
allow_http = true
[groups.far]
auth = { kind = "portal", portal = "http://portal.example.com/arcgis" }
[sites.one]
url = "http://one.example.com/arcgis"
groups = ["nope"]
[sites.two]
url = "http://two.example.com/arcgis"
groups = ["b"]
[sites.three]
url = "http://three.example.com/arcgis"
groups = ["insecur"]
[sites.four]
url = "https://four.example.com/arcgis"
groups = ["far"]
[sites.five]
url = "https://five.example.com/arcgis"
groups = ["far", "b"]
"""
    )
    assert [text.removeprefix(str(path)) for text in problems(path)] == [
        ":2: groups.a.groups: unknown group 'nordcs' (did you mean nordics?)",
        ":4: groups.b.groups: groups nest in a circle: a > b > a",
        ":9: groups.far.auth.portal: the portal has an http:// address, which sends tokens in clear: use https://",
        ":11: sites.one.url: http:// sends tokens in clear: use https://, or say allow_http = true",
        ":12: sites.one.groups: unknown group 'nope'",
        ":14: sites.two.url: http:// sends tokens in clear: use https://, or say allow_http = true",
        ":18: sites.three.groups: unknown group 'insecur' (did you mean insecure?)",
    ]


def test_every_circle_of_groups_is_told(write_inventory: Write) -> None:
    path = write_inventory(
        """[groups.a]
groups = ["b"]
[groups.b]
groups = ["c", "a"]
[groups.c]
groups = ["a", "c"]
[groups.d]
groups = ["a", "e"]
[groups.e]
groups = ["d"]
"""
    )
    assert sorted(text.rpartition(": ")[2] for text in problems(path)) == [
        "a > b > a",
        "a > b > c > a",
        "c > c",
        "d > e > d",
    ]


def test_groups_nest_widely_and_deeply_without_end(write_inventory: Write) -> None:
    """Forty layers of two groups that hold both of the next have 2**40 ways through."""
    layers = [
        f'[groups.g{level}{side}]\ngroups = ["g{level + 1}a", "g{level + 1}b"]\n'
        for level in range(40)
        for side in "ab"
    ]
    text = "".join(layers) + '[groups.g40a]\n[groups.g40b]\n[sites.x]\nurl = "https://x.example.com"\n'
    inventory = read(write_inventory(text + 'groups = ["g40a"]\n'))
    assert len(inventory["x"].groups) == 81
    chain = "".join(f'[groups.c{level}]\ngroups = ["c{level + 1}"]\n' for level in range(3000)) + "[groups.c3000]\n"
    [told] = problems(write_inventory(chain))
    assert "groups nest more than 100 deep here" in told


def test_an_unknown_check_is_told_with_the_nearest_that_is_installed(write_inventory: Write) -> None:
    path = write_inventory(
        """[defaults.checks]
servics = { warning = 1 }
[groups.a]
checks = { tls = { warning = "30d", criticl = "7d" }, machines = { severity = "wrning" } }
[sites.x]
url = "https://x.example.com/arcgis"
checks.licence.enabled = false
"""
    )
    assert [text.removeprefix(str(path)) for text in problems(path)] == [
        ":2: defaults.checks.servics: there is no health check of this name (did you mean services?)",
        ":4: groups.a.checks.tls.criticl: unknown key (did you mean critical?)",
        ":4: groups.a.checks.machines.severity: this must be one of warning, critical (did you mean warning?)",
        ":7: sites.x.checks.licence: there is no health check of this name (did you mean license?)",
    ]


def test_the_checks_that_an_inventory_may_name_are_those_that_a_sweep_knows() -> None:
    assert check_names() == set(load_checks())


@pytest.mark.parametrize(("text", "sentence"), [*IN_ONE_TABLE, *ACROSS_TABLES])
def test_each_mistake_has_its_place_and_its_sentence(write_inventory: Write, text: str, sentence: str) -> None:
    path = write_inventory(text)
    told = "\n".join(problems(path)).replace(str(path), "x")
    assert sentence in told
    assert "hunter22" not in told


def test_http_is_refused_unless_allowed_or_loopback(write_inventory: Write) -> None:
    [told] = problems(write_inventory('[sites.a]\nurl = "http://gis.example.com/arcgis"\n'))
    assert "allow_http" in told
    read(write_inventory('[sites.a]\nurl = "http://gis.example.com/arcgis"\nallow_http = true\n'))
    read(write_inventory('[sites.a]\nurl = "http://127.0.0.1:6080/arcgis"\n'))


@pytest.mark.parametrize(
    "host", ["3dserver", "gis1", "gis.2go", "10.0.0.1", "[2001:db8::1]", "gis-01.example.com", "0xcafe.example"]
)
def test_hosts_that_look_odd_are_hosts(write_inventory: Write, host: str) -> None:
    path = write_inventory(f'[sites.a]\nurl = "https://{host}/arcgis"\n')
    assert load([Source(path, trusted=True)])["a"].url == f"https://{host}/arcgis"


@pytest.mark.parametrize(
    "url",
    [
        "https://user:pw@gis.example.com/arcgis",
        "https://gis.example.com/arcgis?x=1",
        "ftp://gis.example.com",
        "https://169.254.169.254/arcgis",
        "https://169.254.169.254./arcgis",
        "https://[::ffff:169.254.169.254]/arcgis",
        "https://[fe80::1]/arcgis",
        "https://2852039166/arcgis",
        "https://0xa9fea9fe/arcgis",
        "https://0251.0376.0251.0376/arcgis",
        "https://169.254.43518/arcgis",
        "https://metadata.google.internal./arcgis",
        "https://gis.example.com:0/arcgis",
        "https://gis.example.com/a/%2e%2e/b",
        "https://gis.example.com/arcgis/admin",
        "https://gis.example.com/a/../b",
        "https://gis.example.com:99999/arcgis",
    ],
)
def test_rule_i1_an_address_holds_no_account_query_or_link_local_host(write_inventory: Write, url: str) -> None:
    [told] = problems(write_inventory(f'[sites.a]\nurl = "{url}"\n'))
    assert ":2: sites.a.url" in told
    assert "pw" not in told


def test_a_syntax_error_has_its_line(write_inventory: Write) -> None:
    [told] = problems(write_inventory('[sites.a]\nurl = "https://a.example.com/arcgis"\nthis is not toml\n'))
    assert ":3:" in told


def test_origins_name_file_line_and_table(write_inventory: Write) -> None:
    path = write_inventory(GOOD)
    _, origins = load_with_origins([Source(path, trusted=True)], "oslo")
    found = {origin.key: (origin.line, origin.table) for origin in origins}
    assert found["timeout"] == (14, "groups.emea")
    assert found["username"] == (3, "defaults")
    assert found["labels.colour"] == (18, "groups.nordics")
    assert found["groups"] == (22, "sites.oslo")
    with pytest.raises(UsageError, match="did you mean oslo"):
        load_with_origins([Source(path, trusted=True)], "olso")


def test_several_files_join_groups_and_refuse_a_site_twice(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        '[defaults]\nreads = 2\n[groups.p]\n[sites.x]\nurl="https://x.example.com"\ngroups=["p"]\n'
    )
    (tmp_path / "b.toml").write_text('[groups.p]\ntimeout="9s"\n[sites.y]\nurl="https://y.example.com"\ngroups=["p"]\n')
    inventory = load(find_sources([tmp_path]))
    assert inventory["x"].timeout == inventory["y"].timeout == 9.0
    assert (inventory["x"].reads, inventory["y"].reads) == (2, None), "defaults hold for their own file"
    (tmp_path / "c.toml").write_text('[sites.x]\nurl="https://z.example.com"\n')
    with pytest.raises(InventoryError, match=r"a\.toml:4"):
        load(find_sources([tmp_path]))


def test_files_that_say_two_things_of_one_group_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[groups.p]\nlabels = { tier = "x" }\n')
    (tmp_path / "b.toml").write_text('[groups.p]\nlabels = { tier = "x", colour = "red" }\ntimeout = "5s"\n')
    (tmp_path / "c.toml").write_text('[groups.p]\nlabels = { colour = "blue" }\ntimeout = "6s"\n')
    with pytest.raises(InventoryError) as caught:
        load(find_sources([tmp_path]))
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems] == [
        "c.toml:2: groups.p.labels.colour: b.toml:2 says something else here",
        "c.toml:3: groups.p.timeout: b.toml:3 says something else here",
    ]


def test_a_folder_stands_for_its_toml_files_and_each_file_is_read_once(tmp_path: Path) -> None:
    for name in ("b.toml", "a.toml", ".hidden.toml", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.toml").mkdir()
    a, b = tmp_path / "a.toml", tmp_path / "b.toml"
    assert [source.path for source in find_sources([tmp_path])] == [a, b]
    assert [source.path for source in find_sources([b, tmp_path, f"{tmp_path}/../{tmp_path.name}/a.toml"])] == [b, a]
    for wrong, sentence in (
        ("", "the path of the inventory is empty"),
        (tmp_path / "folder.toml", "holds no"),
    ):
        with pytest.raises(UsageError, match=sentence):
            find_sources([wrong])
    for missing in (tmp_path / "nothing", "~nobody-at-all/inventory.toml"):
        with pytest.raises(InventoryError, match="can't be read: No such file"):
            load(find_sources([missing]))


def test_where_the_inventory_comes_from(tmp_path: Path) -> None:
    environment = {"FLEET_CONFIG_DIR": str(tmp_path / "config")}
    with pytest.raises(UsageError, match="fleet init"):
        find_sources(environment=environment, folder=tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "inventory.toml").touch()
    assert [s.trusted for s in find_sources(environment=environment, folder=tmp_path)] == [True]
    (tmp_path / "config" / "more.toml").touch()
    assert [s.path.name for s in find_sources(environment=environment, folder=tmp_path)] == [
        "inventory.toml",
        "more.toml",
    ]
    (tmp_path / "inventory.toml").touch()
    assert [(s.path, s.trusted) for s in find_sources(environment=environment, folder=tmp_path)] == [
        (tmp_path / "inventory.toml", False)
    ]
    environment["FLEET_INVENTORY"] = "/elsewhere.toml"
    assert find_sources(environment=environment, folder=tmp_path) == [Source(Path("/elsewhere.toml"), trusted=True)]


def test_rule_t2_a_secret_renders_as_stars_everywhere() -> None:
    secret = Secret("hunter22")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        "%s" % secret,
        repr([secret]),
        repr({"a": secret}),
    ]
    shown.append(repr(CredentialRef(kind="plain", plain=secret)))
    assert not any("hunter22" in text for text in shown)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret == Secret("hunter22")
    assert secret != Secret("hunter23")
    assert secret.reveal() == "hunter22"


def test_rule_t3_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter22\n")
    reference = CredentialRef(kind="file", where=str(file))
    file.chmod(0o644)
    with pytest.raises(ConfigFailed, match="read or written by others"):
        SecretStore().resolve(reference)
    file.chmod(0o600)
    assert SecretStore().resolve(reference).reveal() == "hunter22"


def test_rule_i3_a_secret_command_runs_from_a_trusted_file_only_and_sees_no_other_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "inventory.toml"
    code = "import os; print(sorted(k for k in os.environ if k.startswith('FLEET_') or k == 'OTHER_SECRET'))"
    path.write_text(
        f"[defaults]\nusername = 'a'\npassword = {{ command = ['{sys.executable}', '-c', \"{code}\"] }}\n"
        "[sites.a]\nurl = 'https://a.example.com'\n"
    )
    path.chmod(0o600)
    monkeypatch.setenv("FLEET_PASSWORD", "x")
    monkeypatch.setenv("OTHER_SECRET", "y")
    store = SecretStore(hidden={"OTHER_SECRET"})
    untrusted = load([Source(path, trusted=False)])["a"].password
    assert untrusted is not None
    with pytest.raises(ConfigFailed, match="allow-commands"):
        store.resolve(untrusted)
    trusted = load([Source(path, trusted=True)])["a"].password
    assert trusted is not None
    assert store.resolve(trusted).reveal() == "[]"
    path.chmod(0o666)
    shared = load([Source(path, trusted=True)])["a"].password
    assert shared is not None
    with pytest.raises(ConfigFailed, match="others can write"):
        SecretStore().resolve(shared)
