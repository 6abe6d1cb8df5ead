"""What is shipped: manifest, signatures, delta, and the archive that keeps them."""
