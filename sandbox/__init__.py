"""Stand-ins for the outside world: each enforces the published rules of one provider.

Real HTTP on loopback, so that the provider's own client library is what talks to
it. Imported by nobody: the mesh reaches it as it would reach the provider.
"""
