"""What puts Tillmesh on other machines."""
