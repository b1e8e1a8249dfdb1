//! Started in main.
fn main() {}
