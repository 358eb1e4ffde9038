"""What the sites hold, kept and compared: snapshots in a local store, and what differs between sites or since then."""
