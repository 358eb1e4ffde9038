"""What the sites hold, kept and compared: snapshots in a local store, and what differs between sites or since then."""

from fleet.snapshots.comparing import Wanted, compare, compare_kept
from fleet.snapshots.export import export
from fleet.snapshots.records import Kept, SiteRecord
from fleet.snapshots.store import Store
from fleet.snapshots.taking import save

__all__ = ["Kept", "SiteRecord", "Store", "Wanted", "compare", "compare_kept", "export", "save"]
