"""The parents of our zones: who serves them, what they say, and how they are told of new keys."""
