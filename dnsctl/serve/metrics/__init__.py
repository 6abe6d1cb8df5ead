"""What the processes of a node count, and failures, logged once a minute."""
