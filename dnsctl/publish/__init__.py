"""From zone files to a release: load, validate, sign, compile, compare. All that publishes goes this way."""
