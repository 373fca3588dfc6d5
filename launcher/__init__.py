"""The `tillmesh` command: starts, shows and stops the whole mesh on one machine."""
