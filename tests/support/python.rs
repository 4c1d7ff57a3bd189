//! Scripts of Python programs that tests compare with.
//!
//! `EVENTPROP_PYTHON` names the interpreter; without it that is `python3`. `scripts/python.sh` installs what is needed.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a script, named from the root of the crate; `None`, and a word about it, if a package that it needs is not
/// there.
pub fn python(packages: &str, script: &str, arguments: &[impl AsRef<OsStr>]) -> Option<Output> {
    let python = std::env::var("EVENTPROP_PYTHON").unwrap_or_else(|_| "python3".into());
    let there =
        Command::new(&python).args(["-W", "ignore", "-c", &format!("import {packages}")]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: `{python}` has no {packages}; `scripts/python.sh` installs it");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    Some(Command::new(&python).arg(script).args(arguments).output().unwrap())
}

/// What a program says, whatever the system ends lines with.
pub fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}

/// What a script prints, which must not fail; else as [`python`].
pub fn run(packages: &str, script: &str, arguments: &[impl AsRef<OsStr>]) -> Option<String> {
    let output = python(packages, script, arguments)?;
    assert!(output.status.success(), "{script}: {}", words(&output.stderr));
    Some(words(&output.stdout))
}
