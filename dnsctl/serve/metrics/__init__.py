"""What the processes of a node count, and failures told a line a minute."""
