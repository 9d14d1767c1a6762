"""HTTP at the edge: the server, its outermost layer, reading requests and shaping answers."""
