//! What `anndex artifact search` and `anndex collection search` are asked.

use clap::Args;

/// Find by words of the name, the key and the description, the best matches first
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// All words must occur, in any order
    pub(super) text: String,
    /// At most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub(super) limit: u64,
}
