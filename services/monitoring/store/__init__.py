"""Where monitoring keeps what must outlive it: one contract, two stores."""
