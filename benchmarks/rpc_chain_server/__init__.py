"""The two servers that `rpc_chain` compares."""
