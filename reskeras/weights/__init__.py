"""Weights of other packages in the networks and layers of this one."""
