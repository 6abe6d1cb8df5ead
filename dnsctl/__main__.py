"""`python -m dnsctl`: the same as the `dnsctl` script."""

from dnsctl.cli.main import main

if __name__ == "__main__":
    main()
