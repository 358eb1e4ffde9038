"""What was seen, kept: the runs of this user, in a database of the state folder."""
