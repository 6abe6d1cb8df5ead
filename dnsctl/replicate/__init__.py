"""Staging, proof and activation of releases over the nodes of all sites."""
