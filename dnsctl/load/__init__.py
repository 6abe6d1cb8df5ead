"""Operations repo to zones: dnsctl.yaml, zone files, git revisions. Reads; never writes."""
