"""A simulated site against a model: whatever is added, edited, renamed and deleted, its lists say the same as the model."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fleet.simulator.call import Call
from fleet.simulator.ledger import Ledger
from fleet.simulator.site import SimulatedSite
from fleet.simulator.state import SiteState
from fleet.simulator.switches import Switches
from fleet.simulator.tokens import TokenBook

FOLDERS = st.sampled_from(("", "A", "B"))
NAMES = st.sampled_from(("one", "two", "drei-é"))
KINDS = st.sampled_from(("MapServer", "GPServer"))
FEW = st.sampled_from(("one", "drei-é"))
"""Few enough that accounts and roles meet often."""
NUMBERS = st.integers(min_value=0, max_value=4)


class SiteAndModel(RuleBasedStateMachine):
    """The model holds what an administrator who wrote everything down would expect to find."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        tokens = TokenBook({"siteadmin": "simulated"})
        state = SiteState("sim-0001", release="11.3", seed=1, services=0, folders=0, machines=2)
        switches = Switches(estate="bare", start_time=0.0, stop_time=0.0)
        self.site = SimulatedSite(
            "sim-0001",
            url="http://x/arcgis",
            context="/arcgis",
            state=state,
            tokens=tokens,
            ledger=Ledger(None),
            switches=switches,
        )
        self.token = tokens.issue("siteadmin", 600)[0]
        self.folders: set[str] = set()
        self.services: dict[tuple[str, str, str], tuple[str, int]] = {}
        self.roles: dict[str, set[str]] = {"administrators": set()}
        self.users: set[str] = set()
        self.items: dict[str, str] = {"/fileShares/maps": "/srv/maps"}
        self.reports: dict[str, str] = {}
        self.logged = 0

    def teardown(self) -> None:
        self.loop.close()

    def ask(self, path: str, **form: str) -> Any:
        call = Call(self.site, "POST", f"admin/{path}", {"f": "json", **form})
        reply, _ = self.loop.run_until_complete(self.site.answer(call, self.token))
        return json.loads(json.dumps(reply.value))

    def change(self, expected: bool, path: str, **form: str) -> None:
        """A change that must be done, or must be refused; either way there is a record of it."""
        before = len(self.site.state.log_records)
        told = self.ask(path, **form)
        failed = told.get("status") == "error" or told.get("success") is False
        assert failed is not expected, (path, form, told)
        if expected or told.get("code") == 500:
            assert len(self.site.state.log_records) > before, path

    # Folders and services

    @rule(name=st.sampled_from(("A", "B")))
    def create_folder(self, name: str) -> None:
        self.change(name not in self.folders, "services/createFolder", folderName=name)
        self.folders.add(name)

    @rule(name=st.sampled_from(("A", "B")))
    def delete_folder(self, name: str) -> None:
        self.change(name in self.folders, f"services/{name}/deleteFolder")
        self.folders.discard(name)
        self.services = {key: value for key, value in self.services.items() if key[0] != name}

    @rule(folder=FOLDERS, name=NAMES, kind=KINDS, least=NUMBERS)
    def create_service(self, folder: str, name: str, kind: str, least: int) -> None:
        there = not folder or folder in self.folders
        free = (folder, name, kind) not in self.services
        service = {"serviceName": name, "type": kind, "minInstancesPerNode": least, "maxInstancesPerNode": 4}
        path = f"services/{folder}/createService" if folder else "services/createService"
        self.change(there and free, path, service=json.dumps(service))
        if there and free:
            self.services[folder, name, kind] = ("STARTED", least)

    @rule(folder=FOLDERS, name=NAMES, kind=KINDS, verb=st.sampled_from(("start", "stop", "delete")))
    def move_service(self, folder: str, name: str, kind: str, verb: str) -> None:
        key = (folder, name, kind)
        own = f"{folder}/{name}.{kind}" if folder else f"{name}.{kind}"
        self.change(key in self.services, f"services/{own}/{verb}")
        if key in self.services:
            least = self.services[key][1]
            if verb == "delete":
                del self.services[key]
            else:
                self.services[key] = ("STARTED" if verb == "start" else "STOPPED", least)

    @rule(folder=FOLDERS, name=NAMES, kind=KINDS, least=NUMBERS, most=NUMBERS)
    def edit_service(self, folder: str, name: str, kind: str, least: int, most: int) -> None:
        key = (folder, name, kind)
        own = f"{folder}/{name}.{kind}" if folder else f"{name}.{kind}"
        service = json.dumps({"minInstancesPerNode": least, "maxInstancesPerNode": most})
        fits = key in self.services and least <= most
        self.change(fits, f"services/{own}/edit", service=service)
        if fits:
            self.services[key] = (self.services[key][0], least)

    @rule(folder=FOLDERS, name=NAMES, kind=KINDS, new=NAMES)
    def rename_service(self, folder: str, name: str, kind: str, new: str) -> None:
        key, to = (folder, name, kind), (folder, new, kind)
        fits = key in self.services and to not in self.services
        path = f"services/{folder}/renameService" if folder else "services/renameService"
        self.change(fits, path, serviceName=name, serviceType=kind, serviceNewName=new)
        if fits:
            self.services[to] = self.services.pop(key)

    # Accounts

    @rule(name=FEW)
    def add_user(self, name: str) -> None:
        self.change(name not in self.users, "security/users/add", username=name, password="some-pass")
        self.users.add(name)

    @rule(name=FEW)
    def remove_user(self, name: str) -> None:
        self.change(name in self.users, "security/users/remove", username=name)
        self.users.discard(name)
        for members in self.roles.values():
            members.discard(name)

    @rule(name=FEW)
    def add_role(self, name: str) -> None:
        self.change(name not in self.roles, "security/roles/add", rolename=name)
        self.roles.setdefault(name, set())

    @rule(name=FEW)
    def remove_role(self, name: str) -> None:
        self.change(name in self.roles, "security/roles/remove", rolename=name)
        self.roles.pop(name, None)

    @rule(user=FEW, role=FEW, verb=st.sampled_from(("assignRoles", "removeRoles")))
    def move_user(self, user: str, role: str, verb: str) -> None:
        fits = user in self.users and role in self.roles
        self.change(fits, f"security/users/{verb}", username=user, roles=role)
        if fits and verb == "assignRoles":
            self.roles[role].add(user)
        elif fits:
            self.roles[role].discard(user)

    # Data items and usage reports

    @rule(name=NAMES, place=st.sampled_from(("/srv/a", "/srv/b")))
    def register_item(self, name: str, place: str) -> None:
        path = f"/fileShares/{name}"
        item = json.dumps({"path": path, "type": "folder", "info": {"path": place}})
        self.change(path not in self.items, "data/registerItem", item=item)
        self.items.setdefault(path, place)

    @rule(name=NAMES, place=st.sampled_from(("/srv/a", "/srv/b")))
    def edit_item(self, name: str, place: str) -> None:
        path = f"/fileShares/{name}"
        item = json.dumps({"path": path, "type": "folder", "info": {"path": place}})
        self.change(path in self.items, f"data/items{path}/edit", item=item)
        if path in self.items:
            self.items[path] = place

    @rule(name=NAMES)
    def unregister_item(self, name: str) -> None:
        path = f"/fileShares/{name}"
        self.change(path in self.items, "data/unregisterItem", itempath=path)
        self.items.pop(path, None)

    @rule(name=NAMES, since=st.sampled_from(("LAST_DAY", "LAST_WEEK")), verb=st.sampled_from(("add", "edit", "delete")))
    def move_report(self, name: str, since: str, verb: str) -> None:
        report = json.dumps({"reportname": name, "since": since, "queries": []})
        path = "usagereports/add" if verb == "add" else f"usagereports/{name}/{verb}"
        fits = (name in self.reports) is not (verb == "add")
        self.change(fits, path, usagereport=report)
        if fits and verb == "delete":
            del self.reports[name]
        elif fits:
            self.reports[name] = since

    @rule()
    def export_lose_and_import(self) -> None:
        """A backup that is put back changes nothing of what the model knows."""
        place = self.ask("exportSite", location="/srv/backups")["location"]
        for key in list(self.site.services):
            self.ask(f"services/{key}/delete")
        for user in sorted(self.users):
            self.ask("security/users/remove", username=user)
        assert self.ask("importSite", location=place)["status"] == "success"

    # What is told

    @invariant()
    def lists_say_what_the_model_says(self) -> None:
        root = self.ask("services")
        assert set(root["folders"]) == self.folders
        told = {}
        for folder in ("", *sorted(self.folders)):
            path = f"services/{folder}/report" if folder else "services/report"
            for one in self.ask(path)["reports"]:
                key = (one["folderName"].strip("/"), one["serviceName"], one["type"])
                own = "/".join(part for part in (key[0], f"{key[1]}.{key[2]}") if part)
                told[key] = (one["status"]["realTimeState"], self.ask(f"services/{own}")["minInstancesPerNode"])
                assert one["status"]["realTimeState"] == one["status"]["configuredState"]
        assert told == self.services

    @invariant()
    def accounts_are_those_of_the_model(self) -> None:
        users = self.ask("security/users/getUsers", pageSize="100")["users"]
        assert {one["username"] for one in users} == self.users
        roles = self.ask("security/roles/getRoles", pageSize="100")["roles"]
        assert {one["rolename"] for one in roles} == set(self.roles)
        for role, members in self.roles.items():
            assert set(self.ask("security/roles/getUsersWithinRole", rolename=role)["users"]) == members

    @invariant()
    def items_and_reports_are_those_of_the_model(self) -> None:
        items = self.ask("data/findItems")["items"]
        assert {one["path"]: one["info"]["path"] for one in items} == self.items
        reports = self.ask("usagereports")["metrics"]
        assert {one["reportname"]: one["since"] for one in reports} == self.reports


TestSiteAndModel = SiteAndModel.TestCase
TestSiteAndModel.settings = settings(max_examples=30, stateful_step_count=60, deadline=None, derandomize=True)
