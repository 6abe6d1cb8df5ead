"""One encrypted file with what makes a host the control host: its repository, keys and records."""
