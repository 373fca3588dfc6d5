"""The services: one package each, all the same shape; none imports another."""
