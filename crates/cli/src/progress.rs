//! Progress bars, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over something that is counted.
pub(crate) fn counted(visible: bool, total: u64, unit: &str) -> ProgressBar {
    let style = format!("{{msg}} {{wide_bar}} {{human_pos}}/{{human_len}} {unit} {{eta}}");
    bar(visible, total, &style)
}

/// A bar over bytes.
pub(crate) fn bytes(visible: bool, total: u64) -> ProgressBar {
    let style = "{spinner} {wide_msg} {bar:30} {decimal_bytes}/{decimal_total_bytes}";
    let bar = bar(visible, total, style);
    // Steps may be long: the spinner shows that work goes on.
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A count of something whose total is not known.
#[cfg(feature = "lamindb")]
pub(crate) fn counter(visible: bool, unit: &str) -> ProgressBar {
    let bar = bar(visible, 0, &format!("{{spinner}} {{human_pos}} {unit}"));
    bar.unset_length();
    bar
}

fn bar(visible: bool, total: u64, template: &str) -> ProgressBar {
    let target = match visible {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(total), target).with_style(style)
}
