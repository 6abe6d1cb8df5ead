"""What `dnsctl demo` plays with: two datacenters as processes on this machine, and a forged answer."""
