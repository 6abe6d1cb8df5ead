"""How the keys of a zone change without one moment in which a validator fails. Pure: no file, no clock."""
