"""What `bench/chaos.py` is made of: a fleet on hosts of its own, what befalls it, and who watches."""
