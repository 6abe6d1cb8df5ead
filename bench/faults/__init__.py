"""What `bench/chaos.py` is made of: a fleet on hosts of its own, the faults it meets, and who watches."""
