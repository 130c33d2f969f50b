"""Near and exact duplicates as pure functions over Arrow arrays."""
