//! Developer tooling.

fn main() {}
