"""ArcGIS Server sites on loopback that speak the real wire protocol, for tests, demonstrations and rehearsals."""

from fleet.simulator.server import PortTaken, Simulator
from fleet.simulator.site import FAULTS, SimulatedSite
from fleet.simulator.state import RELEASES, Machine, Service, Switches

__all__ = ["FAULTS", "RELEASES", "Machine", "PortTaken", "Service", "SimulatedSite", "Simulator", "Switches"]
