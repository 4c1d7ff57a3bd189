//! The memory of this process.

/// The growth of the resident memory from a moment on.
pub struct Memory {
    /// In KiB.
    before: f64,
    peak: &'static str,
}

impl Memory {
    /// From now on. Where the system does not tell, growth is not a number.
    pub fn now() -> Self {
        // "5" sets the peak back to what is resident now.
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        if cfg!(target_os = "linux") && !reset {
            eprintln!("the peak of memory cannot be reset here: peak_mib is the growth at the end");
        }
        let peak = if reset { "VmHWM:" } else { "VmRSS:" };
        Self { before: status("VmRSS:").unwrap_or(f64::NAN), peak }
    }

    /// The greatest growth so far, in MiB.
    pub fn peak_mib(&self) -> f64 {
        (status(self.peak).unwrap_or(f64::NAN) - self.before) / 1024.0
    }
}

fn status(key: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
