//! The options that all commands share.

use clap::Args;

/// What all commands understand.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// The instance: its directory, or the postgres:// URL of its database. Default: ANNDEX_DB,
    /// else the nearest one above the current directory
    #[arg(
        long,
        global = true,
        value_name = "LOCATION",
        help_heading = "Options for all commands"
    )]
    pub(crate) db: Option<String>,
    /// Print one JSON document, also for errors (on standard error)
    #[arg(long, global = true, help_heading = "Options for all commands")]
    pub(crate) json: bool,
    /// Print results only: no progress, no advice, no warnings
    #[arg(long, short, global = true, help_heading = "Options for all commands")]
    pub(crate) quiet: bool,
    /// Say more about what is done; twice for still more
    #[arg(
        long,
        short,
        global = true,
        action = clap::ArgAction::Count,
        help_heading = "Options for all commands"
    )]
    pub(crate) verbose: u8,
}
