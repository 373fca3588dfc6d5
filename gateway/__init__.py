"""HTTP to gRPC, driven by the descriptors: no code here knows a service."""
