"""Users and roles of many sites: from a table or by hand, with passwords that nobody sees, and no account locked out."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fleet.simulator import Simulator
from fleet.simulator.site import SimulatedSite
from tests.processes import fleet, outcomes_of

Simulate = Callable[..., Awaitable[Simulator]]
Write = Callable[[Simulator | str], Path]


def add_user(site: SimulatedSite, name: str, *roles: str, **words: str) -> None:
    told = {"username": name, "fullname": "", "description": "", "email": "", "disabled": False}
    site.state.users[name] = {**told, **words}
    for role in roles:
        site.state.roles.setdefault(role, {"rolename": role, "description": ""})
        site.state.role_members.setdefault(role, []).append(name)


def roles_of(site: SimulatedSite, name: str) -> set[str]:
    return {role for role, members in site.state.role_members.items() if name in members}


def changes_in(outcome: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["item"]: one for one in outcome["value"]["changes"]}


async def test_a_table_of_users_and_roles_is_what_sites_have_afterwards(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=2)
    for site in simulator.sites.values():
        add_user(site, "asmith", "old_role", fullname="A. Smith")
        add_user(site, "leaver", "old_role")
        add_user(site, "bystander", "old_role")
    inventory = str(write_inventory(simulator))
    roles = tmp_path / "roles.csv"
    roles.write_text("rolename,privilege,description\nmakers,publish,Those who make\n", encoding="utf-8")
    users = tmp_path / "users.csv"
    users.write_text(
        "username,fullname,roles,state\nasmith,Anna Smith,makers,\nnewcomer,New Comer,makers;old_role,present\n"
        "leaver,,,absent\n",
        encoding="utf-8",
    )
    new = tmp_path / "new.csv"
    command = ["security", "apply", str(roles), str(users), "--passwords-out", str(new), "-i", inventory, "-s", "all"]

    dry = await fleet(*command, "--dry-run", "-o", "json")
    written_by_the_dry_run = new.exists()
    done = await fleet(*command, "--yes", "-o", "ndjson", "-vv")
    again = await fleet(*command[:4], "-i", inventory, "-s", "all", "--yes", "-o", "ndjson")

    planned = changes_in(json.loads(dry.stdout)["outcomes"][0])
    assert not written_by_the_dry_run
    assert planned["role makers"]["new"] == {"description": "Those who make", "privilege": "PUBLISH"}
    assert planned["user asmith"]["old"] == {"fullname": "A. Smith", "roles": ["old_role"]}
    assert planned["user asmith"]["new"] == {"fullname": "Anna Smith", "roles": ["makers"]}
    assert planned["user leaver"]["new"] == "deleted"
    assert {one["outcome"] for one in outcomes_of(done).values()} == {"changed"}
    assert {one["outcome"] for one in outcomes_of(again).values()} == {"noop"}
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(new.read_text())))
    audit = (tmp_path / "state" / "audit.jsonl").read_text()
    assert len({row["password"] for row in rows}) == 2
    for row in rows:
        site = simulator.sites[row["site"]]
        assert site.tokens.accounts[row["username"]] == row["password"]
        for text in (dry.stdout, done.stdout, done.stderr, audit):
            assert row["password"] not in text
    for site in simulator.sites.values():
        assert site.state.role_privileges["makers"] == "PUBLISH"
        assert (roles_of(site, "asmith"), roles_of(site, "newcomer")) == ({"makers"}, {"makers", "old_role"})
        assert site.state.users["asmith"]["fullname"] == "Anna Smith"
        assert "leaver" not in site.state.users
        assert roles_of(site, "bystander") == {"old_role"}


async def test_a_new_user_without_a_password_is_not_made(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))
    users = tmp_path / "users.csv"
    users.write_text("username\nnewcomer\n", encoding="utf-8")
    given = tmp_path / "given.csv"
    given.write_text("username,password\nnewcomer,w0rd-from-a-file\n", encoding="utf-8")
    given.chmod(0o644)
    command = ["security", "apply", str(users), "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"]

    none = await fleet(*command)
    open_to_all = await fleet(*command, "--passwords-from", str(given))
    given.chmod(0o600)
    done = await fleet(*command, "--passwords-from", str(given))

    assert "needs a password" in outcomes_of(none)["sim-0001"]["error"]["message"]
    assert (open_to_all.returncode, "chmod 600" in open_to_all.stderr) == (2, True)
    assert outcomes_of(done)["sim-0001"]["outcome"] == "changed"
    assert simulator.sites["sim-0001"].tokens.accounts["newcomer"] == "w0rd-from-a-file"
    assert "w0rd-from-a-file" not in done.stdout + done.stderr + (tmp_path / "state" / "audit.jsonl").read_text()


async def test_mistakes_of_a_table_are_told_all_at_once(
    simulate: Simulate, write_inventory: Write, tmp_path: Path
) -> None:
    simulator = await simulate(sites=1)
    inventory = str(write_inventory(simulator))

    for text, told in (
        ("username,password\njdoe,hunter2\n", ["the column password is refused"]),
        ("name\njdoe\n", ["it needs a column username"]),
        ("username,email,rank\njdoe,x,y\n", ["the column 'rank' is unknown"]),
        (
            'username,roles,state\na,,gone\n,x,\nb,,\nB,,\nc,"x,y",\n',
            [
                "4 mistakes",
                "f.csv:2: the state is",
                "f.csv:3: the user is empty",
                "f.csv:5: 'B' stands on line 4",
                "f.csv:6: the role",
            ],
        ),
        ('username\n"a\x1b[2J"\n', ["control character"]),
        ("rolename,privilege\nmakers,EVERYTHING\n", ["the privilege is one of"]),
        ("username\n", ["nothing below it"]),
    ):
        file = tmp_path / "f.csv"
        file.write_text(text, encoding="utf-8")

        result = await fleet("security", "apply", str(file), "-i", inventory, "-s", "all", "--yes")

        assert result.returncode == 2
        assert [one for one in told if one not in result.stderr] == [], result.stderr
        assert "hunter2" not in result.stderr
        assert "\x1b" not in result.stderr
    assert simulator.ledger == []


async def test_nobody_saws_off_the_branch_it_sits_on(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    add_user(site, "deputy", "administrators", "others")
    site.tokens.accounts["deputy"] = "deputy-password"
    text = simulator.inventory_toml().replace('"siteadmin"', '"deputy"').replace('"simulated"', '"deputy-password"')
    inventory = str(write_inventory(text))
    after = ["-i", inventory, "-s", "all", "--yes", "-o", "ndjson"]

    for arguments in (
        ["users", "remove", "deputy"],
        ["roles", "remove", "administrators"],
        ["roles", "assign", "administrators", "--remove-user", "deputy"],
        ["users", "add", "deputy", "--role", "others"],
        ["roles", "add", "administrators", "--privilege", "ACCESS"],
    ):
        result = await fleet("security", *arguments, *after)

        assert result.returncode == 1
        assert "this run signs in with" in outcomes_of(result)["sim-0001"]["error"]["message"], result.stdout
    assert roles_of(site, "deputy") == {"administrators", "others"}
    assert site.state.role_privileges["administrators"] == "ADMINISTER"


async def test_roles_are_given_and_taken_by_hand(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    add_user(site, "one", "makers")
    add_user(site, "two")
    inventory = str(write_inventory(simulator))
    command = ["security", "roles", "assign", "makers", "-i", inventory, "-s", "all", "--yes", "-o", "ndjson"]

    done = await fleet(*command, "--user", "two", "--remove-user", "one", "--user", "nobody")
    again = await fleet(*command, "--user", "two")
    gone = await fleet("security", "roles", "remove", "makers", "-i", inventory, "-s", "all", "--yes", "-o", "ndjson")

    told = changes_in(outcomes_of(done)["sim-0001"])
    assert {item: one["outcome"] for item, one in told.items()} == {
        "user two": "changed",
        "user one": "changed",
        "user nobody": "failed",
    }
    assert outcomes_of(again)["sim-0001"]["outcome"] == "noop"
    assert outcomes_of(gone)["sim-0001"]["outcome"] == "changed"
    assert "makers" not in site.state.roles


async def test_many_accounts_are_read_page_by_page(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    before = len(site.state.users)
    site.state.roles["crowd"] = {"rolename": "crowd", "description": ""}
    site.state.role_members["crowd"] = [f"user{number:05}" for number in range(20_000)]
    for number in range(2_500):
        add_user(site, f"user{number:05}")
    inventory = str(write_inventory(simulator))

    users = await fleet("security", "users", "list", "-i", inventory, "-o", "csv")
    members = await fleet("security", "roles", "members", "crowd", "-i", inventory, "-o", "csv")
    counted = await fleet(
        "security", "roles", "list", "--count", "-i", inventory, "-o", "csv", "--where", "rolename=crowd"
    )
    roles = await fleet("security", "users", "list", "user00007", "--roles", "-i", inventory, "-o", "csv")

    assert len(users.stdout.splitlines()) == 2_501 + before
    assert len(members.stdout.splitlines()) == 20_001
    assert next(csv.DictReader(io.StringIO(counted.stdout)))["members"] == "20000"
    assert next(csv.DictReader(io.StringIO(roles.stdout)))["roles"] == "crowd"


async def test_hostile_names_are_text_in_every_output(simulate: Simulate, write_inventory: Write) -> None:
    simulator = await simulate(sites=1)
    site = simulator.sites["sim-0001"]
    add_user(site, "=HYPERLINK(1)\x1b[2J", "<b>role</b>", fullname="[x](http://evil)\nnext")
    inventory = str(write_inventory(simulator))

    for form in ("table", "csv", "markdown", "json"):
        for arguments in (["users", "list", "--roles"], ["roles", "list"], ["who"]):
            result = await fleet("security", *arguments, "-i", inventory, "-o", form)

            assert result.returncode == 0, result.stderr
            assert "\x1b" not in result.stdout
            if form == "csv":
                assert not any(cell.startswith("=") for row in csv.reader(io.StringIO(result.stdout)) for cell in row)
            if form == "markdown":
                assert "](http" not in result.stdout
