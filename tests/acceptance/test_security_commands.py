"""`fleet security` as it is used: the audit, settings that change, and who may do what."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from fleet.simulator import Simulator
from tests.processes import fleet, outcomes_of

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def rows_in(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def keep(simulator: Simulator, name: str, **settings: object) -> None:
    for site in simulator.sites.values():
        site.state.kept.setdefault(name, {}).update(settings)


async def test_what_is_not_as_recommended_is_told_by_its_severity(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))
    site = simulator.sites["sim-0002"]
    site.state.kept["security_config"] = {
        "httpsProtocols": "TLSv1.1,TLSv1.2",
        "cipherSuites": "TLS_RSA_WITH_RC4_128_MD5",
    }
    site.state.properties["standardizedQueries"] = "false"
    site.state.properties["featureServiceXSSFilter"] = "off"
    site.state.kept["token_settings"] = {
        "sharedKey": "shared-key-of-this-site",
        "shortTimeout": "600",
        "longTimeout": "99999",
        "allowHttpGet": "true",
    }
    site.state.psa_disabled = False

    result = await fleet("security", "audit", "-i", inventory, "-o", "csv")
    everything = await fleet("security", "audit", "--all", "--services", "-i", inventory, "-o", "json")

    found = {(row["site"], row["check"]): row["severity"] for row in rows_in(result.stdout)}
    assert result.returncode == 1
    for check, severity in (
        ("tls-versions", "critical"),
        ("ciphers", "important"),
        ("standardised-queries", "critical"),
        ("web-content-filter", "critical"),
        ("tokens-by-get", "critical"),
        ("token-lifetimes", "important"),
    ):
        assert found[("sim-0002", check)] == severity
        assert ("sim-0001", check) not in found
    assert found[("sim-0001", "services-directory")] == "important"
    assert found[("sim-0001", "allowed-origins")] == "important"
    assert found[("sim-0001", "primary-administrator")] == "recommended"
    assert found[("sim-0001", "inventory-url")] == "critical"
    report = json.loads(everything.stdout)
    checks = [row["row"]["check"] for row in report["merged"]["rows"] if row["site"] == "sim-0001"]
    assert {"https-only", "tls-versions", "unfiltered-services", "shared-key"} <= set(checks)
    assert "shared-key-of-this-site" not in result.stdout + everything.stdout
    assert not any(entry.changed for entry in simulator.ledger if entry.operation != "generateToken")


async def test_a_part_that_can_not_be_read_is_unknown_and_never_well(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    simulator.sites["sim-0001"].switches.lacking = frozenset({"psa"})
    inventory = str(write_inventory(simulator))

    result = await fleet("security", "audit", "-i", inventory, "-o", "csv")

    found = {row["check"]: row for row in rows_in(result.stdout)}
    assert found["primary-administrator"]["severity"] == "unknown"
    assert "not readable" in found["primary-administrator"]["advice"]


async def test_a_site_is_compared_with_another(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=3, services=0)
    inventory = str(write_inventory(simulator))
    simulator.sites["sim-0003"].state.kept["security_config"] = {"HSTSEnabled": True}

    result = await fleet("security", "audit", "--baseline", "sim-0001", "-i", inventory, "-o", "csv")
    strange = await fleet("security", "audit", "--baseline", "sim-0009", "-i", inventory)

    (row,) = rows_in(result.stdout)
    assert (row["site"], row["check"], row["saw"], row["wanted"]) == ("sim-0003", "hsts", "true", "false")
    assert result.returncode == 1
    assert strange.returncode == 2


async def test_only_what_is_named_changes(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    inventory = str(write_inventory(simulator))
    keep(simulator, "security_config", cipherSuites="TLS_A,TLS_B", virtualDirsSecurityEnabled=True)
    command = ["security", "config", "set", "hstsenabled=yes", "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"]

    first, second = await fleet(*command), await fleet(*command)

    told = outcomes_of(first)
    assert {one["outcome"] for one in told.values()} == {"changed"}
    assert told["sim-0001"]["value"]["changes"][0]["old"] == {"HSTSEnabled": "false"}
    assert {one["outcome"] for one in outcomes_of(second).values()} == {"noop"}
    for site in simulator.sites.values():
        kept = site.state.kept["security_config"]
        assert kept["HSTSEnabled"] is True
        assert (kept["cipherSuites"], kept["virtualDirsSecurityEnabled"]) == ("TLS_A,TLS_B", True)
        assert kept["httpEnabled"] is False


async def test_a_site_is_not_locked_out_of_by_its_own_protocol(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, release="10.5.1")
    inventory = str(write_inventory(simulator))

    result = await fleet(
        "security", "config", "set", "Protocol=HTTPS", "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"
    )

    assert "reaches this site by http" in outcomes_of(result)["sim-0001"]["error"]["message"]
    assert simulator.sites["sim-0001"].state.kept.get("security_config") is None


async def test_token_settings_change_and_the_shared_key_is_never_seen(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))
    command = ["security", "tokens", "set", "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"]

    shown = await fleet("security", "tokens", "show", "-i", inventory, "-o", "json")
    first = await fleet(*command, "shortTimeout=30", "allowHttpGet=false")
    second = await fleet(*command, "--shared-key-from", "env:NEW_KEY", env={"NEW_KEY": "a-key-nobody-knows"})

    settings = simulator.sites["sim-0001"].state.kept["token_settings"]
    assert outcomes_of(first)["sim-0001"]["outcome"] == "changed"
    assert outcomes_of(second)["sim-0001"]["outcome"] == "changed"
    assert settings["shortTimeout"] == "30"
    assert settings["sharedKey"] == "a-key-nobody-knows"
    kept = (tmp_path / "state" / "audit.jsonl").read_text()
    for text in (shown.stdout, first.stdout, second.stdout, second.stderr, kept):
        assert "shared-key-of-this-site" not in text
        assert "a-key-nobody-knows" not in text


async def test_a_shared_key_that_is_not_told_is_not_sent_back_as_stars(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    keep(simulator, "token_settings", sharedKey="************", shortTimeout="60", longTimeout="1440")
    inventory = str(write_inventory(simulator))

    result = await fleet(
        "security", "tokens", "set", "shortTimeout=30", "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"
    )

    assert "does not tell its shared key" in outcomes_of(result)["sim-0001"]["error"]["message"]
    assert simulator.sites["sim-0001"].state.kept["token_settings"]["shortTimeout"] == "60"


async def test_the_primary_administrator_is_disabled_by_another_one_only(
    simulate: Simulate, write_inventory: Write
) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    site.state.users["deputy"] = {"username": "deputy", "disabled": False}
    site.state.role_members["administrators"].append("deputy")
    site.tokens.accounts["deputy"] = "deputy-password"
    inventory = str(write_inventory(simulator))
    deputy = str(write_inventory(simulator)).replace(".toml", "-deputy.toml")
    text = simulator.inventory_toml().replace('"siteadmin"', '"deputy"').replace('"simulated"', '"deputy-password"')
    Path(deputy).write_text(text, encoding="utf-8")
    command = ["security", "psa", "disable", "-s", "all", "--yes", "-o", "ndjson"]

    refused = await fleet(*command, "-i", inventory)
    still = site.state.psa_disabled
    done = await fleet(*command, "-i", deputy)
    disabled = site.state.psa_disabled
    back = await fleet("security", "psa", "enable", "-s", "all", "--yes", "-o", "ndjson", "-i", deputy)

    assert "sign in as another administrator" in outcomes_of(refused)["sim-0001"]["error"]["message"]
    assert not still
    assert outcomes_of(done)["sim-0001"]["outcome"] == "changed"
    assert disabled
    assert outcomes_of(back)["sim-0001"]["outcome"] == "changed"
    assert not site.state.psa_disabled


async def test_who_administers_is_told_across_sites(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    for site in simulator.sites.values():
        site.state.roles["makers"] = {"rolename": "makers", "description": ""}
        site.state.role_privileges["makers"] = "PUBLISH"
        site.state.role_members["makers"] = ["both"]
    simulator.sites["sim-0002"].state.role_members["administrators"] = ["only-here"]
    simulator.sites["sim-0002"].state.psa_disabled = False
    inventory = str(write_inventory(simulator))

    rows = rows_in((await fleet("security", "who", "-i", inventory, "-o", "csv")).stdout)
    table = (await fleet("security", "who", "-i", inventory, "-o", "table")).stdout

    assert {(r["site"], r["username"]) for r in rows if r["role"] == "makers"} == {
        ("sim-0001", "both"),
        ("sim-0002", "both"),
    }
    assert ("sim-0002", "only-here", "ADMINISTER") in {(r["site"], r["username"], r["privilege"]) for r in rows}
    (line,) = [line for line in table.splitlines() if "makers" in line]
    assert "sim-[0001-0002]" in line


async def test_a_federated_site_s_list_says_that_it_is_not_whole(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1, federated=True)

    result = await fleet("security", "who", "-i", str(write_inventory(simulator)), "-o", "json")

    assert [warning["kind"] for warning in json.loads(result.stdout)["warnings"]] == ["federated"]


async def test_stores_that_can_not_be_reached_are_told(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=2)
    simulator.sites["sim-0002"].switches.user_store = "broken"
    store = {"type": "LDAP", "properties": {"adminUser": "cn=x", "adminUserPassword": "********"}}
    inventory = str(write_inventory(simulator))

    result = await fleet("security", "identity-store", "test", "-i", inventory, "-o", "csv")
    keep(simulator, "security_config", userStoreConfig=store)
    hidden = await fleet("security", "identity-store", "test", "-i", inventory, "-o", "csv", "-s", "sim-0001")
    given = await fleet(
        *("security", "identity-store", "test", "-i", inventory, "-o", "csv", "-s", "sim-0001"),
        *("--password-from", "env:LDAP"),
        env={"LDAP": "an-ldap-password"},
    )

    assert [(row["site"], row["state"]) for row in rows_in(result.stdout)] == [
        ("sim-0001", "passed"),
        ("sim-0002", "failed"),
    ]
    assert result.returncode == 1
    assert rows_in(hidden.stdout)[0]["state"] == "unknown"
    assert rows_in(given.stdout)[0]["state"] == "passed"


async def test_what_can_not_be_is_told_before_anything_is_sent(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))

    for arguments, told in (
        (["config", "set", "HSTSEnable=true", "-s", "all", "--yes"], "did you mean HSTSEnabled"),
        (["config", "set", "HSTSEnabled=perhaps", "-s", "all", "--yes"], "true or false"),
        (["config", "set", "Protocol=GOPHER", "-s", "all", "--yes"], "is one of HTTP"),
        (["config", "set", "-s", "all", "--yes"], "nothing to set"),
        (["tokens", "set", "shortTimeout=0", "-s", "all", "--yes"], "whole number of minutes"),
        (["tokens", "set", "sharedKey=abc", "-s", "all", "--yes"], "there is no setting"),
        (["psa", "disable", "--yes"], "a change needs -s"),
    ):
        result = await fleet("security", *arguments, "-i", inventory)

        assert (result.returncode, told in result.stderr) == (2, True), (arguments, result.stderr)
    assert simulator.ledger == []
