"""ArcGIS Server sites on loopback that speak the real wire protocol, for tests, demonstrations and rehearsals."""

from fleet.simulator.server import PortTaken, Simulator
from fleet.simulator.site import FAULTS, SimulatedSite
from fleet.simulator.state import RELEASES, Machine, Service
from fleet.simulator.switches import SWITCHES, Switches

__all__ = [
    "FAULTS",
    "RELEASES",
    "SWITCHES",
    "Machine",
    "PortTaken",
    "Service",
    "SimulatedSite",
    "Simulator",
    "Switches",
]
