"""From zone files to a release: load, validate, sign, compile, compare. Everything is published this way."""
