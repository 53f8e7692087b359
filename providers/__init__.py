"""Pure translation: bytes and values in, bytes and values out. No sockets, no clocks, no globals."""
