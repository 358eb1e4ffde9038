"""What a site has, as flat rows: one reader per table, for the commands that list, and for SQL."""
