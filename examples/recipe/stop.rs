//! Ctrl-C.

use super::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that the first Ctrl-C sets: training looks at it and ends after the epoch. The second one ends the
/// program at once.
pub fn on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let stop = flag.clone();
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            // As a shell reports it.
            std::process::exit(130);
        }
        eprintln!("\nstopping after this epoch; Ctrl-C again stops at once");
    })?;
    Ok(flag)
}
