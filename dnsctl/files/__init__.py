"""Files as every package needs them: written durably, locked by one process at a time, kept secret."""
