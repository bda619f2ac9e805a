//! `culvert connect`: the private network's end of a tunnel.
