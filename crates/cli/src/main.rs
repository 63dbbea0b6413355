//! The `anndex` command.

fn main() {}
