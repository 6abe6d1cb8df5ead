"""The jobs of a control host, done on a schedule or once: see `table` for what they are."""
