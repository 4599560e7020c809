"""Generated from proto/padiff_rpc/v1 by `make proto`."""
